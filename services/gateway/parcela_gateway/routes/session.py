"""`/session` and `/installation`: what the page needs to know first, and how a browser signs in and out."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from parcela_gateway.api import problems
from parcela_gateway.dependencies import InGateway, let_in
from parcela_gateway.keys import COOKIE, SESSION_S
from parcela_gateway.prefix import under_prefix

router = APIRouter(tags=["about"])


class Installation(BaseModel):
    """What may be known of this installation without a key."""

    version: str
    keys: bool = Field(description="whether a key is needed")
    retention_days: float = Field(
        description="how long a finished job, its scan and its files are kept"
    )
    store: Literal["folder", "s3"] = Field(description="where they lie")
    max_bytes: int = Field(description="the largest scan")
    max_voxels: int = Field(description="the most voxels of a scan")


@router.get("/installation")
def show_installation(request: Request, gateway: InGateway) -> Installation:
    """What may be sent here, where it lies and how long it is kept."""
    settings = gateway.settings
    return Installation(
        version=request.app.version,
        keys=gateway.keys.needed,
        retention_days=settings.retention_days,
        store="s3" if "://" in (settings.store or "") else "folder",
        max_bytes=settings.max_bytes,
        max_voxels=settings.max_voxels,
    )


@router.post("/session", status_code=204, responses=problems(401, 500))
def sign_in(request: Request, gateway: InGateway, response: Response) -> None:
    """Exchange the key in the headers for a cookie, which a browser then sends by itself."""
    owner = let_in(request, lambda: gateway.keys.owner_of_key(request.headers))
    if gateway.keys.needed:
        response.set_cookie(
            COOKIE,
            gateway.keys.cookie(owner),
            max_age=SESSION_S,
            path=under_prefix("/"),
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )


@router.delete("/session", status_code=204, responses=problems(500))
def sign_out(response: Response) -> None:
    """Take the cookie back."""
    response.delete_cookie(COOKIE, path=under_prefix("/"), httponly=True, samesite="strict")
