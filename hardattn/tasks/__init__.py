"""Answer and target become reward and loss; the only room that sees the target.

What the weights can lower by answering better is `loss`. What they can reach only by looking
elsewhere, because the answer's parameters do not move it, is `reward`. An estimator descends
E[loss + cost - reward].
"""

from hardattn.tasks.classify import Classify as Classify, Find as Find, Localise as Localise
from hardattn.tasks.cluster import Cluster as Cluster
from hardattn.tasks.questions import Questions as Questions
from hardattn.tasks.sequence import Sequence as Sequence
from hardattn.tasks.task import Task as Task, apart as apart
from hardattn.tasks.weighted import Weighted as Weighted

TASKS = {
    "classify": Classify,
    "localise": Localise,
    "find": Find,
    "sequence": Sequence,
    "questions": Questions,
    "cluster": Cluster,
}
