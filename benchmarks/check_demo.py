"""Reads the JSON of a cold and of a warm demo run and says whether both kept the promises that the docs make.

Times are printed, never judged: machines differ.
"""

import json
import sys
from pathlib import Path


def main(cold_path: str, warm_path: str) -> int:
    """Print what was measured; 1 where a promise was broken."""
    cold, warm = (json.loads(Path(path).read_text()) for path in (cold_path, warm_path))
    top1 = {rung["name"]: rung["top1"] for rung in cold["ladder"]}
    paired = {(pair["a"], pair["b"]): pair for pair in cold["paired"]}
    promises = {
        "at least 1,600 images of 80 species": cold["images"] >= 1600 and cold["classes"] >= 80,
        "descriptors beat names by 0.10": paired["descriptors", "names"]["difference"] >= 0.10,
        "resolve beats descriptors by 0.25": paired["resolve", "descriptors"]["difference"] >= 0.25,
        "resolve between 0.60 and 0.95": 0.60 <= top1["resolve"] <= 0.95,
        "each distinct text once": cold["encoder"]["texts_encoded"] == cold["encoder"]["distinct_texts"],
        "each distinct image once": cold["encoder"]["images_encoded"] == cold["encoder"]["distinct_images"],
        "warm: nothing asked": warm["llm"]["requests"] == 0,
        "warm: nothing encoded": warm["encoder"]["images_encoded"] == warm["encoder"]["texts_encoded"] == 0,
        "warm: the same ladder": warm["ladder"] == cold["ladder"],
    }
    for name, score in top1.items():
        print(f"{name:18} {score:.3f}")
    print("seconds cold", cold["seconds"], "warm", warm["seconds"])
    for promise, kept in promises.items():
        print("kept  " if kept else "BROKEN", promise)
    return 0 if all(promises.values()) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
