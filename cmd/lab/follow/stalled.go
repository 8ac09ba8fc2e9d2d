package follow

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
)

const (
	// stalledBuffer is all that the connection of one who does not read may hold on his side.
	stalledBuffer = 4 << 10
	// stalledCopies makes events of some two hundred kilobytes: what lies between server and reader has room for
	// megabytes.
	stalledCopies = 40
)

// stall subscribes with an answer as large as can be asked for, and does not read it.
func stall(server, run string) (net.Conn, error) {
	var document strings.Builder
	document.WriteString("subscription Seats($r:[ID!]!,$f:StationCode!,$t:StationCode!){seatAvailability(runIds:$r,from:$f,to:$t){version run{")
	for n := range stalledCopies {
		fmt.Fprintf(&document, "c%d:calls{arrival departure distanceKm saleClosesAt sequence}", n)
	}
	document.WriteString("}}}")
	body, err := question(document.String(), run)
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

// openStreams is how many streams the server says are open.
func openStreams(ctx context.Context, server string) (open int, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+server+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	request.Close = true // asked twice: an idle connection would only be in the way
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		name, value, found := strings.Cut(lines.Text(), "} ")
		if !found || !strings.HasPrefix(name, "interlock_streams{") {
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, err
		}
		open += int(n)
	}
	return open, lines.Err()
}
