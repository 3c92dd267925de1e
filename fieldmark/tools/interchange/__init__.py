"""Labels of images in the files of other tools: Label Studio, COCO, CVAT, FiftyOne, Hugging Face."""
