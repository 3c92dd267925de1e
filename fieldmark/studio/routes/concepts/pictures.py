"""Pictures of a concept's pool, by the hash of their content."""

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from fieldmark.studio.desk import desk_of
from fieldmark.studio.routes.concepts.found import concept_folder
from fieldmark.studio.routes.images import KEPT, SIDES
from fieldmark.tools.images.files import UnusableImageError

router = APIRouter(prefix="/concepts/{name}")


@router.get("/pictures/{size}/{image_hash}")
def picture(request: Request, name: str, size: str, image_hash: str) -> Response:
    """A small copy of an image of the pool."""
    desk = desk_of(request)
    file = desk.concepts.pool(concept_folder(request, name)).get(image_hash)
    if file is None or size not in SIDES:
        raise HTTPException(404, "The concept has no such picture.")
    try:
        path = desk.pictures.of(file, image_hash, side=SIDES[size])
    except UnusableImageError as error:
        raise HTTPException(404, f"The picture cannot be shown: {error.reason}.") from None
    except ValueError:
        raise HTTPException(404, "The concept has no such picture.") from None
    return FileResponse(path, media_type="image/webp", headers={"cache-control": KEPT})
