"""A token command: prints a JWT of the claims in a file, that ends in so many seconds, and writes it to a log.

mint.py CLAIMS_FILE SECONDS LOG_FILE
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from contextforge import jwt

claims, seconds, log = sys.argv[1:]
token = jwt(json.loads(Path(claims).read_text(encoding="utf-8")), float(seconds))
with Path(log).open("a", encoding="utf-8") as minted:
    minted.write(f"{token}\n")
print(token)
