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

// connected ends with the workload's subscribers, or with the next Reconnect.
func (w *Workload) connected() context.Context {
	c := &w.connections
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx == nil || c.ctx.Err() != nil {
		c.ctx, c.cut = context.WithCancel(w.following)
	}
	return c.ctx
}

// Reconnect cuts every subscriber off at the same moment; all come back at once.
func (w *Workload) Reconnect() {
	c := &w.connections
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut != nil {
		c.cut()
	}
}

// Unfollow ends the subscribers, and returns once their streams are complete.
func (w *Workload) Unfollow() {
	w.unfollow()
	w.subscribers.Wait()
}

// Following is how many subscribers have had an event.
func (w *Workload) Following() (n int) {
	for _, s := range w.log.Streams() {
		if len(s.Events) > 0 {
			n++
		}
	}
	return n
}

// subscribe follows a run over server-sent events, and comes back whenever the stream ends, to the next server.
func (w *Workload) subscribe(n int, run *load.Run, stream *history.Stream) {
	for at := n; w.following.Err() == nil; at++ {
		ctx := w.connected()
		err := w.watch(ctx, w.options.Servers[at%len(w.options.Servers)], run, stream)
		if err != nil && ctx.Err() == nil {
			pause.For(w.following, fewestPause)
		}
	}
}

func (w *Workload) watch(ctx context.Context, server string, run *load.Run, stream *history.Stream) error {
	events, err := load.OpenSeats(ctx, w.client.Transport, server, run.ID)
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
		w.log.See(stream, history.Seen{Version: version, At: time.Now(), First: first})
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
