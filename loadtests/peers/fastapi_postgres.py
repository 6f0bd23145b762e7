"""What a user would write instead of a view over PostgreSQL: FastAPI, and a SELECT by key.

The client is a pool of asyncpg, which prepares the statement once per connection.
"""

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from fastapi import FastAPI, HTTPException, Request, Response

POOL_SIZE = 16
SELECT = "SELECT user_id, orders, total, last_ts FROM spend WHERE user_id = $1"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Keep the pool."""
    address = os.environ["PEER_DATABASE"]
    async with asyncpg.create_pool(address, min_size=POOL_SIZE, max_size=POOL_SIZE) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/v1/views/spend/rows/{user_id}")
async def row(user_id: str, request: Request) -> Response:
    """Answer one row."""
    found = await request.app.state.pool.fetchrow(SELECT, user_id)
    if found is None:
        raise HTTPException(404)
    return Response(json.dumps(dict(found)), media_type="application/json")
