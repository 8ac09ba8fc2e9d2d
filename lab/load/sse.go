package load

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
)

const (
	// eventBuffer holds an event of two hundred bytes: there are thousands of subscribers. maxEvent is many times the
	// largest event that the lab asks for.
	eventBuffer = 1 << 10
	maxEvent    = 1 << 20
)

// Events is a subscription over server-sent events. It is for one goroutine.
type Events struct {
	response *http.Response
	lines    *bufio.Scanner
}

// OpenEvents subscribes at a server to what a request's body asks for. It ends with the context, or with Close.
func OpenEvents(ctx context.Context, through http.RoundTripper, server string, body []byte) (*Events, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+server+"/graphql", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "text/event-stream")
	response, err := through.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, errors.Join(fmt.Errorf("a subscription was answered %s", response.Status), response.Body.Close())
	}
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(make([]byte, 0, eventBuffer), maxEvent)
	return &Events{response, lines}, nil
}

// OpenSeats subscribes to what is left of a run, as a phone does that shows all of it.
func OpenSeats(ctx context.Context, through http.RoundTripper, server, run string) (*Events, error) {
	body, err := SeatsOf(run)
	if err != nil {
		return nil, err
	}
	return OpenEvents(ctx, through, server, body)
}

// SeatsOf asks for what is left of a run.
func SeatsOf(run string) ([]byte, error) {
	return json.Marshal(map[string]any{
		"query":     `subscription($r:[ID!]!){seatAvailability(runIds:$r){version classes{seatClass remaining}}}`,
		"variables": map[string]any{"r": []string{run}},
	})
}

// OpenOrder subscribes to what becomes of an order, as the buyer whose token it is.
func OpenOrder(ctx context.Context, through http.RoundTripper, server, token, order string) (*Events, error) {
	body, err := json.Marshal(map[string]any{
		"query":     `subscription($o:ID!){orderChanged(orderId:$o){state}}`,
		"variables": map[string]any{"o": order},
	})
	if err != nil {
		return nil, err
	}
	return OpenEvents(ctx, bearer{through, token}, server, body)
}

// bearer adds a token to requests.
type bearer struct {
	http.RoundTripper
	token string
}

func (b bearer) RoundTrip(request *http.Request) (*http.Response, error) {
	request.Header.Set("Authorization", "Bearer "+b.token) // it is OpenEvents' own request
	return b.RoundTripper.RoundTrip(request)
}

var dataField = []byte("data: ")

// Next waits for the next event and is its text, good until the one after. A stream that ends is an error.
func (e *Events) Next() ([]byte, error) {
	for e.lines.Scan() {
		if data, ok := bytes.CutPrefix(e.lines.Bytes(), dataField); ok {
			return data, nil
		}
	}
	return nil, errors.Join(errors.New("the event stream ended"), e.lines.Err())
}

// Close ends the stream.
func (e *Events) Close() {
	_ = e.response.Body.Close() // the rest of the stream is of no use
}

const (
	// stalledBuffer is all that the connection of a client that does not read may hold on the client's side.
	stalledBuffer = 4 << 10
	// stalledCopies makes events of some two hundred kilobytes: what lies between server and reader has room for
	// megabytes.
	stalledCopies = 40
)

// Stall subscribes to a run with an answer as large as can be asked for, and does not read it.
func Stall(server, run string) (net.Conn, error) {
	var document strings.Builder
	document.WriteString("subscription($r:[ID!]!){seatAvailability(runIds:$r){version run{")
	for n := range stalledCopies {
		fmt.Fprintf(&document, "c%d:calls{arrival departure distanceKm saleClosesAt sequence}", n)
	}
	document.WriteString("}}}")
	body, err := json.Marshal(map[string]any{
		"query": document.String(), "variables": map[string]any{"r": []string{run}},
	})
	if err != nil {
		return nil, err
	}
	address, err := net.ResolveTCPAddr("tcp", server)
	if err != nil {
		return nil, err
	}
	conn, err := net.DialTCP("tcp", nil, address)
	if err != nil {
		return nil, err
	}
	if err = conn.SetReadBuffer(stalledBuffer); err == nil {
		_, err = fmt.Fprintf(conn, "POST /graphql HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nAccept: "+
			"text/event-stream\r\nContent-Length: %d\r\n\r\n%s",
			server, len(body), body)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}
