"""Draw quality_report.png: the top of the report on a table of copies, as chromium shows it.

Run it as ``python docs/images/quality_report.py``.
"""

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from skdiffusion.datasets import make_mixed_table
from skdiffusion.metrics import evaluate

real, holdout = make_mixed_table(500, random_state=0), make_mixed_table(500, random_state=1)
synthetic = real.sample(500, replace=True, random_state=0)
evaluation = evaluate(real, synthetic, holdout, target="job", random_state=0)

with TemporaryDirectory() as folder:
    page, shot = Path(folder) / "report.html", Path(folder) / "report.png"
    evaluation.to_html(page)
    options = ["--headless", "--no-sandbox", "--hide-scrollbars", "--window-size=1100,1690"]
    command = ["chromium", *options, f"--screenshot={shot}", page.as_uri()]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    picture = Image.open(shot).convert("RGB").quantize(64)
    picture.save(Path(__file__).with_suffix(".png"), optimize=True)
