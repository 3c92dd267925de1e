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
        "at least 1,440 listed images of 72 species": cold["images"] >= 1440 and cold["classes"] >= 72,
        "descriptors beat names": paired["descriptors", "names"]["ci95"][0] > 0,
        "resolve beats every other rung": all(
            pair["ci95"][0] > 0 for (better, _), pair in paired.items() if better == "resolve"
        ),
        "of the resolved at least 0.95 right": (cold["resolved"]["top1"] or 0) >= 0.95,
        "at least half of the strangers not resolved": cold["open_set"]["strangers"]["resolved"] <= 10,
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
