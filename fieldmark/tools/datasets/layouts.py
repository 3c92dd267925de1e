"""Layouts of published data sets on disk, as records: folders, lists, columns."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from fieldmark.records import Record

SplitName: TypeAlias = Literal["train", "val", "test"]


class _Layout(Record):
    """What every layout says.

    Attributes:
        split: Name of the published division whose counts it must have.
        folder: Where it lies under the root, by its usual name.
    """

    split: str
    folder: str


class _FileBesideImages(_Layout):
    """One file that lists images.

    Attributes:
        file: The file, in the folder.
        images: Where its paths start, in the folder.
    """

    file: str
    images: str = ""

    @property
    def marker(self) -> str:
        """The file whose presence says that this layout is there."""
        return self.file

    @property
    def stated(self) -> str:
        """Where things are put, in words."""
        return f"{self.folder}/{self.file}, with the images under {self.folder}/{self.images}".rstrip("/")


class SplitFile(_FileBesideImages):
    """A CoOp split file beside its images."""

    kind: Literal["split file"] = "split file"


class ClassFolders(_Layout):
    """One folder a class.

    Attributes:
        train: The folder with the training classes; None where there is none.
        val: The same of the validation images.
        test: The same of the test images; empty where the folder itself has the classes.
    """

    kind: Literal["class folders"] = "class folders"
    train: str | None = None
    val: str | None = None
    test: str = ""

    @property
    def marker(self) -> str:
        """The folder whose presence says that this layout is there."""
        return self.test

    @property
    def stated(self) -> str:
        """Where things are put, in words."""
        return f"one folder a class under {self.folder}/{self.test}".rstrip("/")


class TorchvisionSet(_Layout):
    """A set that torchvision reads, where torchvision puts it.

    Attributes:
        name: The class in `torchvision.datasets`.
        splits: What torchvision calls each split.
        options: Other arguments of the class.
        root: The folder that the class is given, under the root.
        marker: The file whose presence says that this layout is there, in the folder.
        images: Where the images lie, in the folder.
    """

    kind: Literal["torchvision"] = "torchvision"
    name: str
    splits: dict[SplitName, str]
    options: dict[str, bool] = Field(default_factory=dict)
    root: str = ""
    marker: str
    images: str

    @property
    def stated(self) -> str:
        """Where things are put, in words."""
        return f"{self.folder}/{self.marker}, with the images under {self.folder}/{self.images}"


class Lists(_Layout):
    """A text file a split, with the name of an image and its class in each line.

    Attributes:
        files: The file of each split, in the folder.
        images: Where its paths start, in the folder.
        suffix: What the lines leave off the file names.
        classes: A file with a class a line, in order.
    """

    kind: Literal["lists"] = "lists"
    files: dict[SplitName, str]
    images: str
    suffix: str
    classes: str

    @property
    def marker(self) -> str:
        """The file whose presence says that this layout is there."""
        return self.files["test"]

    @property
    def stated(self) -> str:
        """Where things are put, in words."""
        return f"{self.folder}/{self.marker}, with the images under {self.folder}/{self.images}"


class BirdLists(_Layout):
    """The lists of CUB-200-2011: images, labels, the split and classes, joined by number."""

    kind: Literal["bird lists"] = "bird lists"

    @property
    def marker(self) -> str:
        """The file whose presence says that this layout is there."""
        return "images.txt"

    @property
    def stated(self) -> str:
        """Where things are put, in words."""
        return f"{self.folder}/images.txt and the other lists, with the images under {self.folder}/images"


class CsvLayout(_FileBesideImages):
    """A CSV file with a row an image.

    Attributes:
        path: Column of the image's path.
        label: Column of its class.
        labels: What stands there for each class, in the order of the classes; or a CSV file in the folder
            with the columns `y` and `name`.
        part: Column of the split.
        parts: What stands there for each split; rows with anything else are left out.
        parts_file: Another CSV file that has that column, joined by `path`.
        group: Column of the group that worst-group accuracy is about.
        groups: What its values mean.
    """

    kind: Literal["table"] = "table"
    path: str
    label: str
    labels: dict[str, str] | str
    part: str
    parts: dict[str, SplitName]
    parts_file: str | None = None
    group: str | None = None
    groups: dict[str, str] = Field(default_factory=dict)


class Shards(_Layout):
    """Tar shards as CLIP_benchmark writes them."""

    kind: Literal["shards"] = "shards"

    @property
    def marker(self) -> str:
        """The file whose presence says that this layout is there."""
        return "test/nshards.txt"

    @property
    def stated(self) -> str:
        """Where things are put, in words."""
        return f"CLIP_benchmark's shards: {self.folder}/classnames.txt and {self.folder}/test/0.tar"


Layout: TypeAlias = Annotated[
    SplitFile | ClassFolders | TorchvisionSet | Lists | BirdLists | CsvLayout | Shards,
    Field(discriminator="kind"),
]
