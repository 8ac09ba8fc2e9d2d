package follow

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"interlock/cmd/lab/crossing"
)

// seats asks for what a phone shows of a run.
const seats = `subscription Seats($r:[ID!]!,$f:StationCode!,$t:StationCode!){seatAvailability(runIds:$r,from:$f,to:$t){version classes{seatClass remaining}}}`

// question is a subscription's body.
func question(document, run string) ([]byte, error) {
	return json.Marshal(map[string]any{
		"query": document, "operationName": "Seats",
		"variables": map[string]any{"r": []string{run}, "f": crossing.From(), "t": crossing.To()},
	})
}

// eventStream is a subscription over server-sent events, on a connection of its own.
type eventStream struct {
	transport *http.Transport
	response  *http.Response
	lines     *bufio.Scanner
}

// eventBuffer holds an event of two hundred bytes; there are thousands of subscribers.
const eventBuffer = 1 << 10

func openEvents(ctx context.Context, server, run string) (stream, error) {
	body, err := question(seats, run)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+server+"/graphql", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "text/event-stream")
	transport := &http.Transport{DisableKeepAlives: true, ReadBufferSize: eventBuffer, WriteBufferSize: eventBuffer}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, errors.Join(fmt.Errorf("a subscription was answered %s", response.Status), response.Body.Close())
	}
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(make([]byte, 0, eventBuffer), 1<<20)
	return &eventStream{transport, response, lines}, nil
}

var dataField = []byte("data: ")

func (s *eventStream) next(context.Context) ([]byte, error) {
	for s.lines.Scan() {
		if data, ok := bytes.CutPrefix(s.lines.Bytes(), dataField); ok {
			return data, nil
		}
	}
	return nil, errors.Join(errors.New("the event stream ended"), s.lines.Err())
}

func (s *eventStream) close() {
	_ = s.response.Body.Close() // what it has to say is of no use to anybody
	s.transport.CloseIdleConnections()
}
