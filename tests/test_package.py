"""The package as a whole: which way imports run, what is exported, and what the docstrings promise."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpydoc.docscrape
import pytest
from numpydoc.validate import validate

import skdiffusion

PACKAGE = Path(skdiffusion.__file__).parent
MODULES = sorted(path.stem for path in PACKAGE.glob("*.py"))

# Which of our modules a module may import.
ALLOWED = {
    "__init__": set(),
    "_blocks": set(),
    "_cells": set(),
    "_checkpoint": {"_files"},
    "_checks": set(),
    "_columns": {"_grids"},
    "_comparable": {"_table"},
    "_display_axes": set(),
    "_display_columns": {"_table"},
    "_display_denoising": {
        "_checks",
        "_comparable",
        "_denoiser",
        "_display_axes",
        "_display_columns",
        "_noiser",
        "_table",
    },
    "_display_dependence": {"_comparable", "_display_axes", "_display_columns", "_metric_columns"},
    "_display_imputation": {"_comparable", "_display_axes", "_display_columns", "_imputer", "_table"},
    "_display_marginals": {
        "_comparable",
        "_display_axes",
        "_display_columns",
        "_metric_columns",
        "_table",
    },
    "_display_noise_path": {"_checks", "_display_axes", "_display_columns", "_table"},
    "_display_sample_path": {
        "_checks",
        "_comparable",
        "_denoiser",
        "_display_axes",
        "_display_columns",
        "_table",
        "samplers",
        "schedules",
    },
    "_display_training": {"_display_axes"},
    "_encoder": {"_cells", "_checks", "_columns", "_pixels", "_state", "_table"},
    "_files": set(),
    "_grids": set(),
    "_metric_columns": set(),
    "_metric_distances": set(),
    "_metric_models": set(),
    "_noised_columns": {"_cells", "_table"},
    "_pixels": set(),
    "_preconditioning": set(),
    "_state": {"_table"},
    "_table": {"_cells"},
    "_watchers": set(),
    "datasets": {"_checks"},
    "_report_page": {"_files", "_report_pictures", "_report_style", "_report_words"},
    "_report_pictures": set(),
    "_report_scales": set(),
    "_report_style": set(),
    "_report_summary": {"_metric_columns", "_metric_distances", "_report_scales"},
    "_report_words": set(),
    "metrics": {
        "_checks",
        "_comparable",
        "_metric_columns",
        "_metric_distances",
        "_metric_models",
        "_report_page",
        "_report_scales",
        "_report_summary",
        "_table",
    },
    "networks": set(),
    "plotting": {
        "_display_denoising",
        "_display_dependence",
        "_display_imputation",
        "_display_marginals",
        "_display_noise_path",
        "_display_sample_path",
        "_display_training",
    },
    "samplers": set(),
    "schedules": {"_checks"},
    "_noiser": {"_checks", "_noised_columns", "_state", "_table", "schedules"},
    "_training": set(),
    "_factors": set(),
    "_fitting": {"_training", "_watchers"},
    "_rebuilt": {"_table"},
    "_noise_levels": set(),
    "_masked": {"_blocks", "_masked_network"},
    "_parquet": {"_files"},
    "_parts": {"_parquet", "_table"},
    "_shards": {"_encoder"},
    "_masked_network": {"_blocks", "_factors", "_training", "networks"},
    "_denoising": {"_blocks", "_factors", "_training", "networks"},
    "_denoiser": {
        "_cells",
        "_checks",
        "_denoising",
        "_encoder",
        "_fitting",
        "_noise_levels",
        "_rebuilt",
        "_state",
        "_table",
    },
    "_gaussian": {"_blocks", "_reverse", "_training", "networks", "schedules"},
    "_image_network": {"_blocks", "_reverse", "_training", "networks"},
    "_images": {"_blocks", "_image_network", "_reverse", "schedules"},
    "_reverse": {"_training", "samplers"},
    "_generator": {
        "_checkpoint",
        "_checks",
        "_encoder",
        "_factors",
        "_fitting",
        "_gaussian",
        "_images",
        "_masked",
        "_parquet",
        "_parts",
        "_shards",
        "_state",
        "_table",
        "_watchers",
    },
    "_imputer": {"_cells", "_checks", "_generator", "_rebuilt", "_state", "_table"},
    "_over_sampler": {"_cells", "_checks", "_generator", "_state", "_table"},
    "_outlier_detector": {"_checks", "_encoder", "_generator", "_row_densities", "_state", "_table"},
    "_row_densities": set(),
    "_regressor": {"_checks", "_preconditioning", "_state", "_training", "_watchers", "networks"},
}
KERAS = {"keras", "tensorflow"}
KERAS_MODULES = {
    "_blocks",
    "_denoising",
    "_factors",
    "_gaussian",
    "_image_network",
    "_masked_network",
    "_regressor",
    "_reverse",
    "_training",
    "_watchers",
    "networks",
}


def imports(module):
    """Yield the module's imports: our module or a foreign package, and whether it is at the top level."""
    tree = ast.parse((PACKAGE / f"{module}.py").read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level and node.module is None:  # from . import name
                names = [f"skdiffusion.{alias.name}" for alias in node.names]
            elif node.level:  # from .module import name
                names = [f"skdiffusion.{node.module}"]
            elif node.module == "skdiffusion":
                names = [f"skdiffusion.{alias.name}" for alias in node.names]
            else:
                names = [node.module]
        else:
            continue
        for name in names:
            yield name, node in tree.body


def our_imports(module):
    return {name.split(".")[1] if "." in name else "" for name, _ in imports(module) if is_ours(name)}


def is_ours(name):
    return name.partition(".")[0] == "skdiffusion"


@pytest.mark.parametrize("module", [module for module in MODULES if module != "__main__"])
def test_imports_run_one_way(module):
    assert our_imports(module) <= ALLOWED[module]


def test_the_import_table_has_no_cycle():
    done = set()
    while len(done) < len(ALLOWED):
        ready = {module for module in ALLOWED.keys() - done if ALLOWED[module] <= done}
        assert ready
        done |= ready


@pytest.mark.parametrize("module", MODULES)
def test_scikeras_enters_the_regressor_alone(module):
    if module != "_regressor":
        assert not [name for name, _ in imports(module) if name.partition(".")[0] == "scikeras"]


@pytest.mark.parametrize("module", MODULES)
def test_keras_enters_where_something_is_fitted(module):
    found = [(name, top) for name, top in imports(module) if name.partition(".")[0] in KERAS]
    if module in ("_regressor", "_watchers", "__main__"):  # imported before anything is fitted
        assert not [name for name, top in found if top]
    elif module not in KERAS_MODULES:
        assert not found


def loaded_by(code):
    """Return what a new Python has imported after the code."""
    code = f"import sys\n{code}\nprint(*sys.modules)"
    return set(
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.split()
    )


def test_importing_and_making_estimators_loads_no_keras():
    loaded = loaded_by(
        "import skdiffusion\nskdiffusion.DiffusionNoiser(); skdiffusion.DenoisingRegressor()\n"
        "skdiffusion.schedules, skdiffusion.datasets, dir(skdiffusion), repr(skdiffusion.DiffusionNoiser())"
    )
    assert "skdiffusion._regressor" in loaded
    assert not loaded & {"keras", "tensorflow", "scikeras", "matplotlib", "polars"}


def test_importing_the_package_loads_no_module_before_it_is_asked_for():
    loaded = loaded_by("import skdiffusion")
    assert {name for name in loaded if is_ours(name)} == {"skdiffusion"}
    assert not loaded & {"numpy", "sklearn"}


# What is exported


def test_every_public_name_is_there_and_listed():
    for name in [*skdiffusion._EXPORTS, *skdiffusion._TOOLBOXES]:
        assert getattr(skdiffusion, name) is not None
        assert name in dir(skdiffusion)


def test_a_star_import_gives_all_that_can_be_imported():
    public = {*skdiffusion._EXPORTS, *skdiffusion._TOOLBOXES}
    assert set(skdiffusion.__all__) == public
    without = "import sys; sys.modules['imblearn'] = None\nimport skdiffusion\nfrom skdiffusion import *\n"
    loaded = loaded_by(without + "assert 'DiffusionOverSampler' not in skdiffusion.__all__")
    assert "skdiffusion._imputer" in loaded
    assert "skdiffusion._over_sampler" not in loaded


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'skdiffusion' has no attribute 'Denoiser'"):
        skdiffusion.Denoiser  # noqa: B018


def test_every_public_module_is_exported():
    assert [module for module in MODULES if not module.startswith("_")] == [*skdiffusion._TOOLBOXES]


def test_every_toolbox_says_what_it_exports():
    for name in skdiffusion._TOOLBOXES:
        toolbox = getattr(skdiffusion, name)
        assert toolbox.__all__ == sorted(toolbox.__all__)
        assert set(toolbox.__all__) <= vars(toolbox).keys()


# Docstrings

# Codes of numpydoc that are not enforced: a summary may say it all (ES01), methods need no example of their
# own (EX01; classes do, see below), there may be nothing else to see (SA01), and a result has a name (RT02).
OFF = {"ES01", "EX01", "RT02", "SA01"}


def public_objects():
    """Yield the dotted names of all public classes, functions and methods that are ours."""
    owners = [(skdiffusion, name) for name in skdiffusion._EXPORTS]
    owners += [
        (toolbox, name)
        for toolbox in map(skdiffusion.__getattr__, skdiffusion._TOOLBOXES)
        for name in toolbox.__all__
    ]
    for owner, name in owners:
        thing = getattr(owner, name)
        path = f"{thing.__module__}.{name}"
        yield path
        if inspect.isclass(thing):
            for method, member in vars(thing).items():
                if not method.startswith("_") and (
                    inspect.isfunction(member) or isinstance(member, property)
                ):
                    yield f"{path}.{method}"


OBJECTS = sorted(set(public_objects()))


def resolve(path):
    module, *names = path.split(".")[1:]
    thing = importlib.import_module(f"skdiffusion.{module}")
    for name in names:
        thing = getattr(thing, name)
    return thing


@pytest.mark.parametrize("path", OBJECTS)
def test_docstring_is_valid_numpydoc(path):
    assert [error for error in validate(path)["errors"] if error[0] not in OFF] == []


@pytest.mark.parametrize("path", [path for path in OBJECTS if inspect.isclass(resolve(path))])
def test_class_shows_an_example(path):
    if not inspect.isabstract(resolve(path)):
        assert numpydoc.docscrape.ClassDoc(resolve(path))["Examples"]


@pytest.mark.parametrize("path", [path for path in OBJECTS if callable(resolve(path))])
def test_documented_defaults_are_those_of_the_signature(path):
    thing = resolve(path)
    doc = numpydoc.docscrape.NumpyDocString(inspect.getdoc(thing) or "")
    documented = {
        parameter.name: match.group(1)
        for parameter in doc["Parameters"]
        if (match := re.search(r"default=(.*)$", parameter.type))
    }
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(thing).parameters.items()
        if parameter.default is not parameter.empty
    }
    assert documented.keys() == defaults.keys()
    for name, text in documented.items():
        if text == "np.nan":
            assert np.isnan(defaults[name]), name
        else:
            assert ast.literal_eval(text) == defaults[name], name


@pytest.mark.parametrize("name", skdiffusion._EXPORTS)
def test_parameters_are_documented_in_the_signatures_order(name):
    thing = getattr(skdiffusion, name)
    documented = [parameter.name for parameter in numpydoc.docscrape.ClassDoc(thing)["Parameters"]]
    assert documented == list(inspect.signature(thing).parameters)


@pytest.mark.parametrize("name", skdiffusion._EXPORTS)
def test_repr_of_an_estimator_shows_nothing_by_default(name):
    assert repr(getattr(skdiffusion, name)()) == f"{name}()"


# Metadata


def test_version_is_that_of_the_installed_package():
    from importlib.metadata import version

    assert version("skdiffusion") == skdiffusion.__version__


def test_what_is_imported_is_required():
    import tomllib

    pyproject = PACKAGE.parent / "pyproject.toml"
    if not pyproject.exists():
        pytest.skip("installed without its pyproject.toml")
    project = tomllib.loads(pyproject.read_text())["project"]
    # pandas makes the tables of `datasets`, for those who have it; the others are extras.
    optional = {"pandas", "pyarrow", "matplotlib", "imblearn"}
    packages = {re.match(r"[\w-]+", requirement)[0] for requirement in project["dependencies"]}
    required = {{"scikit-learn": "sklearn"}.get(package, package) for package in packages}
    used = {name.partition(".")[0] for module in MODULES for name, _ in imports(module) if not is_ours(name)}
    assert used - set(sys.stdlib_module_names) - optional == required
