"""Optimizers: they change parameters by their gradients."""

from __future__ import annotations

from rustnn.optim import lr_scheduler as lr_scheduler
from rustnn.optim import swa_utils as swa_utils
from rustnn.optim._adafactor import Adafactor
from rustnn.optim._muon import Muon
from rustnn.optim.adadelta import Adadelta
from rustnn.optim.adagrad import Adagrad
from rustnn.optim.adam import Adam, AdamW
from rustnn.optim.adamax import Adamax
from rustnn.optim.asgd import ASGD
from rustnn.optim.lbfgs import LBFGS
from rustnn.optim.nadam import NAdam
from rustnn.optim.optimizer import Optimizer
from rustnn.optim.radam import RAdam
from rustnn.optim.rmsprop import RMSprop
from rustnn.optim.rprop import Rprop
from rustnn.optim.sgd import SGD
from rustnn.optim.sparse_adam import SparseAdam
from rustnn.optim.stateless import swap_in_optimizer_params_and_state

__all__ = [
    "ASGD",
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Muon",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SparseAdam",
    "lr_scheduler",
    "swa_utils",
    "swap_in_optimizer_params_and_state",
]
