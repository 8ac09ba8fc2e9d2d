package watch

import (
	"context"
	"encoding/json"
	"net/http"

	"interlock/lab/background"
	"interlock/lab/load"
)

// seats asks for what a phone shows of a run.
const seats = `subscription Seats($r:[ID!]!,$f:StationCode!,$t:StationCode!){seatAvailability(runIds:$r,from:$f,` +
	`to:$t){version classes{seatClass remaining}}}`

// question is a subscription's body.
func question(run string) ([]byte, error) {
	return json.Marshal(map[string]any{
		"query": seats, "variables": map[string]any{"r": []string{run}, "f": background.From(), "t": background.To()},
	})
}

// eventStream is a subscription over server-sent events, on a connection of its own.
type eventStream struct {
	transport *http.Transport
	events    *load.Events
}

// transportBuffer holds an event of two hundred bytes; there are thousands of subscribers.
const transportBuffer = 1 << 10

func openEvents(ctx context.Context, server, run string) (stream, error) {
	body, err := question(run)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		DisableKeepAlives: true, ReadBufferSize: transportBuffer, WriteBufferSize: transportBuffer,
	}
	events, err := load.OpenEvents(ctx, transport, server, body)
	if err != nil {
		return nil, err
	}
	return &eventStream{transport, events}, nil
}

func (s *eventStream) next(context.Context) ([]byte, error) { return s.events.Next() }

func (s *eventStream) close() {
	s.events.Close()
	s.transport.CloseIdleConnections()
}
