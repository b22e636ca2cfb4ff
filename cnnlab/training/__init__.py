"""Training: ``fit``, the step-wise ``Trainer`` under it, schedules, measures and the ``Run`` record."""

from cnnlab.training.best import load_best
from cnnlab.training.callbacks import Callback, EarlyStopping
from cnnlab.training.comparison import Comparison, compare_runs
from cnnlab.training.ema import EMA
from cnnlab.training.errors import CheckpointError, DataError, OutOfMemory, ProcessLost, TrainingDiverged, TrainingError
from cnnlab.training.evaluation import Evaluation, evaluate
from cnnlab.training.fit import fit
from cnnlab.training.loggers import CSVLogger, TensorBoardLogger
from cnnlab.training.measures import ClassTable
from cnnlab.training.optimizers import DEFAULT_LR, make_optimizer
from cnnlab.training.recipe import Recipe
from cnnlab.training.run import Run
from cnnlab.training.schedules import SCHEDULES, Cosine, OneCycle, Step
from cnnlab.training.trainer import Trainer

__all__ = [
    "Callback",
    "CSVLogger",
    "CheckpointError",
    "ClassTable",
    "Comparison",
    "Cosine",
    "DEFAULT_LR",
    "DataError",
    "EMA",
    "EarlyStopping",
    "Evaluation",
    "OneCycle",
    "OutOfMemory",
    "ProcessLost",
    "Recipe",
    "Run",
    "SCHEDULES",
    "Step",
    "TensorBoardLogger",
    "Trainer",
    "TrainingDiverged",
    "TrainingError",
    "compare_runs",
    "evaluate",
    "fit",
    "load_best",
    "make_optimizer",
]
