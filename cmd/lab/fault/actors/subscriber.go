package actors

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"interlock/cmd/lab/fault/history"
	"interlock/cmd/lab/load"
)

const seatsDocument = `subscription($r:[ID!]!){seatAvailability(runIds:$r){version classes{seatClass remaining}}}`

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
			pause(r.following, fewestPause)
		}
	}
}

var (
	dataField = []byte("data: ")
	errEnded  = errors.New("the stream ended")
)

func (r *Room) watch(ctx context.Context, server string, run *load.Run, stream *history.Stream) error {
	body, err := json.Marshal(map[string]any{"query": seatsDocument, "variables": map[string]any{"r": []string{run.ID}}})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+server+"/graphql", bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "text/event-stream")
	response, err := r.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("a subscription was answered %s", response.Status)
	}
	lines := bufio.NewScanner(response.Body)
	for first := true; lines.Scan(); {
		data, ok := bytes.CutPrefix(lines.Bytes(), dataField)
		if !ok {
			continue
		}
		version, err := versionOf(data)
		if err != nil {
			return err
		}
		r.log.See(stream, history.Seen{Version: version, At: time.Now(), First: first})
		first = false
	}
	return errors.Join(lines.Err(), errEnded)
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
