"""The laboratory: searching, the seven steps, diagnosis in words.

lr_finder  a rate that works, in 100 steps      search            grid, random, halving
space      what a setting may be                cross_validation  k folds, and one test
ensemble   models averaged                      bagging           on bootstrap samples
snapshots  many models of one training          boosting          stumps, small nets
confidence how far to trust a metric            bias_variance     why a model errs
curves     a run's curves read in words        monitor           inside a net
sharpness  the curvature at a minimum          landscape         slices through it
transfer   features, a new head, retrieval     fine_tuning       the head, then all
"""

from minidl.lab.bagging import Bagging as Bagging
from minidl.lab.bagging import bagging as bagging
from minidl.lab.bias_variance import BiasVariance as BiasVariance
from minidl.lab.bias_variance import bias_variance as bias_variance
from minidl.lab.boosting import Boosting as Boosting
from minidl.lab.boosting import Stump as Stump
from minidl.lab.boosting import boosting as boosting
from minidl.lab.confidence import Interval as Interval
from minidl.lab.confidence import confidence_interval as confidence_interval
from minidl.lab.cross_validation import cross_validate as cross_validate
from minidl.lab.curves import diagnose_curves as diagnose_curves
from minidl.lab.ensemble import Ensemble as Ensemble
from minidl.lab.fine_tuning import fine_tune as fine_tune
from minidl.lab.fine_tuning import rates_by_depth as rates_by_depth
from minidl.lab.first_steps import find_rate as find_rate
from minidl.lab.first_steps import first_loss as first_loss
from minidl.lab.first_steps import overfit as overfit
from minidl.lab.hessian import Hessian as Hessian
from minidl.lab.landscape import Landscape as Landscape
from minidl.lab.landscape import landscape as landscape
from minidl.lab.later_steps import coarse_grid as coarse_grid
from minidl.lab.later_steps import go_on as go_on
from minidl.lab.later_steps import read_curves as read_curves
from minidl.lab.later_steps import refine as refine
from minidl.lab.lr_finder import lr_finder as lr_finder
from minidl.lab.monitor import Monitor as Monitor
from minidl.lab.monitor import MonitorWarning as MonitorWarning
from minidl.lab.recipe import recipe as recipe
from minidl.lab.report import RunReport as RunReport
from minidl.lab.report import compare as compare
from minidl.lab.report import report as report
from minidl.lab.search import coarse_to_fine as coarse_to_fine
from minidl.lab.search import grid_search as grid_search
from minidl.lab.search import hyperband as hyperband
from minidl.lab.search import random_search as random_search
from minidl.lab.search import successive_halving as successive_halving
from minidl.lab.sharpness import Sharpness as Sharpness
from minidl.lab.sharpness import sharpness as sharpness
from minidl.lab.snapshots import snapshot_ensemble as snapshot_ensemble
from minidl.lab.space import choice as choice
from minidl.lab.space import integers as integers
from minidl.lab.space import log_uniform as log_uniform
from minidl.lab.space import uniform as uniform
from minidl.lab.transfer import features as features
from minidl.lab.transfer import nearest as nearest
from minidl.lab.transfer import replace_head as replace_head
from minidl.lab.trials import Result as Result
from minidl.lab.trials import Trial as Trial

__all__ = [
    "Bagging",
    "BiasVariance",
    "Boosting",
    "Ensemble",
    "Hessian",
    "Interval",
    "Landscape",
    "Monitor",
    "MonitorWarning",
    "Result",
    "RunReport",
    "Sharpness",
    "Stump",
    "Trial",
    "bagging",
    "bias_variance",
    "boosting",
    "choice",
    "coarse_grid",
    "coarse_to_fine",
    "compare",
    "confidence_interval",
    "cross_validate",
    "diagnose_curves",
    "features",
    "find_rate",
    "fine_tune",
    "first_loss",
    "go_on",
    "grid_search",
    "hyperband",
    "integers",
    "landscape",
    "log_uniform",
    "lr_finder",
    "nearest",
    "overfit",
    "random_search",
    "rates_by_depth",
    "read_curves",
    "recipe",
    "refine",
    "replace_head",
    "report",
    "sharpness",
    "snapshot_ensemble",
    "successive_halving",
    "uniform",
]
