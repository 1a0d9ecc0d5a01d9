"""How Sphinx builds the documentation: `make docs`."""

import os
import re
import shutil
from importlib.metadata import version as installed_version
from pathlib import Path

import skdiffusion

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

project = "skdiffusion"
copyright = "2026, the skdiffusion developers"
release = version = installed_version("skdiffusion")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "matplotlib.sphinxext.plot_directive",
    "numpydoc",
    "myst_parser",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "_templates", "examples", "sg_execution_times.rst"]
templates_path = ["_templates"]
suppress_warnings = ["config.cache"]  # sphinx-gallery's own objects cannot be pickled

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

autosummary_generate = True
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "gallery",
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "show_memory": False,
    "remove_config_comments": True,
    "abort_on_example_error": True,
    "min_reported_time": 30,
    "reference_url": {"skdiffusion": None},
    "backreferences_dir": "gallery/backreferences",
    "doc_module": ("skdiffusion",),
}

# The plots of the benchmark page, drawn by functions of benchmark_plots.py.
plot_formats = [("png", 160)]
plot_html_show_formats = False
plot_html_show_source_link = False

html_theme = "pydata_sphinx_theme"
html_title = f"skdiffusion {release}"
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {
    "show_prev_next": False,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
}
html_sidebars = {"index": [], "benchmarks": [], "contributing": []}  # pages without others beside them
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True


# Diagrams of estimators in the gallery link to the reference.
for name in (*skdiffusion.__all__, "DiffusionOverSampler"):
    estimator = getattr(skdiffusion, name)
    if hasattr(estimator, "_get_doc_link"):
        estimator._doc_link_module = "skdiffusion"
        estimator._doc_link_template = "../api/{estimator_module}.{estimator_name}.html"


def setup(app):
    # Leave out the methods that scikit-learn makes for metadata routing: its own pages describe them.
    def skip(app, what, name, obj, skipped, options):
        return skipped or name == "get_metadata_routing" or (name[:4] == "set_" and name[-8:] == "_request")

    app.connect("autodoc-skip-member", skip)

    # Links to the programs of the gallery, which work in the repository, lead to its pages.
    def to_gallery(app, name, source):
        source[0] = re.sub(r"\(examples/(plot_\w+)\.py\)", r"(gallery/\1.rst)", source[0])

    app.connect("source-read", to_gallery)

    # Draw the benchmarks anew in each build: Sphinx does not know on which tables they depend.
    shutil.rmtree(Path(app.doctreedir).parent / "plot_directive", ignore_errors=True)
    app.connect("env-get-outdated", lambda *_: ["benchmarks"])
