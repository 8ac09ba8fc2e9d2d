package load

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
)

const (
	// stalledBuffer is all that the connection of one who does not read may hold on his side.
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
	body, err := json.Marshal(map[string]any{"query": document.String(), "variables": map[string]any{"r": []string{run}}})
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
		_, err = fmt.Fprintf(conn, "POST /graphql HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nAccept: text/event-stream\r\nContent-Length: %d\r\n\r\n%s",
			server, len(body), body)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}
