"""The commands of the experiment, which the entry point ``parcela.commands`` mounts in this order."""

from parcela_training.commands.experiment import compare, evaluate, experiment, report
from parcela_training.commands.prepare import prepare
from parcela_training.commands.publish import publish
from parcela_training.commands.train import train

COMMANDS = (prepare, train, evaluate, report, experiment, compare, publish)
