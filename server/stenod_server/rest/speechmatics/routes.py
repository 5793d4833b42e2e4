"""The operations of the dialect."""

from fastapi import APIRouter

from stenod_server.rest.services import Services
from stenod_server.rest.speechmatics.operators import add_operators
from stenod_server.rest.speechmatics.reading import add_listing, add_logs, add_one_job, add_results
from stenod_server.rest.speechmatics.submitting import add_submitting


def speechmatics(services: Services) -> APIRouter:
    router = APIRouter(tags=["Speechmatics"])
    for add in (add_submitting, add_listing, add_one_job, add_results, add_logs, add_operators):
        add(router, services)
    return router
