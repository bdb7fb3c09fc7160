"""Where gigs, applications and contracts stand, which several modules show: made words of the public language before anybody
uses them."""

from models.application import ApplicationStatus
from models.contract import ContractStatus
from models.gig_workflow import GigStatus
from schema.words import words

__all__ = ["ApplicationStatus", "ContractStatus", "GigStatus"]

for _vocabulary in (ApplicationStatus, ContractStatus, GigStatus):
    words(_vocabulary)
