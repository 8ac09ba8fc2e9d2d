package availability

import (
	"context"
	_ "embed"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed lua/addstreamticket.lua
var addStreamTicketLua string

// StreamTickets are the stream tickets of all servers that have not been used yet. It keeps their names and ends, and
// knows nothing of what they open. A Redis that loses its data forgets them, so that none can be used.
type StreamTickets struct {
	client redis.UniversalClient
	add    *redis.Script
}

// NewStreamTickets keeps them in the Redis of a client, see Connect. The client stays its maker's.
func NewStreamTickets(client redis.UniversalClient) *StreamTickets {
	return &StreamTickets{client: client, add: redis.NewScript(addStreamTicketLua)}
}

// streamTicketTimeout bounds a call. A healthy Redis answers in a millisecond, and a page waits for the answer.
const streamTicketTimeout = 500 * time.Millisecond

// AddStreamTicket keeps a holder's ticket until a time. It returns false, and keeps nothing, where the holder has as
// many tickets as allowed that have not ended at `now`.
func (t *StreamTickets) AddStreamTicket(
	ctx context.Context, holder, id string, now, until time.Time, allowed int,
) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, streamTicketTimeout)
	defer cancel()
	return t.add.Run(ctx, t.client, []string{streamTicketsKey(holder)}, id, now.UnixMilli(), until.UnixMilli(), allowed).
		Bool()
}

// TakeStreamTicket takes a holder's ticket away. It returns true once for each ticket. Where it returns an error, the
// ticket may be gone.
func (t *StreamTickets) TakeStreamTicket(ctx context.Context, holder, id string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, streamTicketTimeout)
	defer cancel()
	taken, err := t.client.ZRem(ctx, streamTicketsKey(holder), id).Result()
	return taken == 1, err
}

func streamTicketsKey(holder string) string { return "interlock:streamtickets:" + holder }
