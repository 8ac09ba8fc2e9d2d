package clients

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"interlock/internal/pause"
	"interlock/lab/fault/history"
	"interlock/lab/load"
)

// connectedness is what all subscribers' connections have in common: they can be cut at once.
type connectedness struct {
	mu  sync.Mutex
	ctx context.Context
	cut context.CancelFunc
}

// connected ends with the room's subscribers, or with the next Reconnect.
func (r *Room) connected() context.Context {
	c := &r.connections
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx == nil || c.ctx.Err() != nil {
		c.ctx, c.cut = context.WithCancel(r.following)
	}
	return c.ctx
}

// Reconnect cuts every subscriber off at the same moment; all come back at once.
func (r *Room) Reconnect() {
	c := &r.connections
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut != nil {
		c.cut()
	}
}

// Unfollow ends the subscribers, and returns once their streams are complete.
func (r *Room) Unfollow() {
	r.unfollow()
	r.subscribers.Wait()
}

// Following is how many subscribers have had an event.
func (r *Room) Following() (n int) {
	for _, s := range r.log.Streams() {
		if len(s.Events) > 0 {
			n++
		}
	}
	return n
}

// subscribe follows a run over server-sent events, and comes back whenever the stream ends, to the next server.
func (r *Room) subscribe(n int, run *load.Run, stream *history.Stream) {
	for at := n; r.following.Err() == nil; at++ {
		ctx := r.connected()
		err := r.watch(ctx, r.options.Servers[at%len(r.options.Servers)], run, stream)
		if err != nil && ctx.Err() == nil {
			pause.For(r.following, fewestPause)
		}
	}
}

func (r *Room) watch(ctx context.Context, server string, run *load.Run, stream *history.Stream) error {
	events, err := load.OpenSeats(ctx, r.client.Transport, server, run.ID)
	if err != nil {
		return err
	}
	defer events.Close()
	for first := true; ; first = false {
		event, err := events.Next()
		if err != nil {
			return err
		}
		version, err := versionOf(event)
		if err != nil {
			return err
		}
		r.log.See(stream, history.Seen{Version: version, At: time.Now(), First: first})
	}
}

var versionField = []byte(`"version":`)

// versionOf finds the version in an event. Thousands of subscribers are told of every batch: nothing else is looked at.
func versionOf(event []byte) (int64, error) {
	_, rest, ok := bytes.Cut(event, versionField)
	end := bytes.IndexAny(rest, ",}")
	if !ok || end < 0 {
		return 0, fmt.Errorf("an event without seats: %.200s", event)
	}
	return strconv.ParseInt(string(rest[:end]), 10, 64)
}
