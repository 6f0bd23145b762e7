"""What a user would write instead of a view over Redis: FastAPI, and a GET of the row's JSON.

The client is redis.asyncio with hiredis; the row is stored as the JSON that is answered, so nothing
is parsed or validated on the way.
"""

import os

from fastapi import FastAPI, HTTPException, Response
from redis.asyncio import Redis

app = FastAPI()
database = Redis.from_url(os.environ["PEER_DATABASE"], max_connections=64)


@app.get("/v1/views/spend/rows/{user_id}")
async def row(user_id: str) -> Response:
    """Answer one row."""
    found = await database.get(user_id)
    if found is None:
        raise HTTPException(404)
    return Response(found, media_type="application/json")
