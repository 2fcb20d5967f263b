"""A user's project: a folder with `sternpost.toml` and one Python module, from which a bundle is trained.

    settings   what sternpost.toml may say
    imports    the project's module, kept apart from everything else that is imported
    loading    a folder becomes a Project
    labels     the target as numpy, and what it means
    split      which rows train and which are held out
    auditing   what the leak audit is given, and what a project's waivers are
    measures   the holdout's numbers, and the floors they have to reach
    training   a Project becomes a sealed bundle
    data_file  reading a file to draft from
    skeleton   a first project, written from a data file
    new_folder a folder that appears whole or not at all

Nothing here is imported until a project is used; scikit-learn is imported only when one is trained.
"""

from sternpost.project.auditing import audit_project
from sternpost.project.loading import Project, load_project
from sternpost.project.settings import Settings
from sternpost.project.skeleton import skeleton
from sternpost.project.training import TrainResult, train

__all__ = ["Project", "Settings", "TrainResult", "audit_project", "load_project", "skeleton", "train"]
