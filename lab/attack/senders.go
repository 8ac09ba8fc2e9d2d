package attack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"interlock/internal/pause"
)

const (
	// ended is when the server must have ended a connection on which nothing is sent: the 15 s that a body has, and as
	// many again for a machine that is busy.
	ended = 30 * time.Second
	// dripInterval is between two bytes.
	dripInterval = time.Second
	// announced is as long a body as a server takes.
	announced = 256 << 10
	// announcers is how many announce that much and send nothing: were all of it made room for, that would be 350 MB.
	announcers = 1_400
)

// routes are all there are, and one that is not.
var routes = []string{"/graphql", "/livez", "/readyz", "/metrics", "/schema.graphql", "/playground", "/nowhere"}

// sender is one way not to send.
type sender struct {
	name string
	// head is sent at once. drip follows byte by byte, again and again; "" for none.
	head, drip string
	// owed tells that a whole request's head was sent, so that an answer is owed.
	owed bool
}

// labHost stands where the server's name will be.
const labHost = "Host: lab"

func senders() []sender {
	all := []sender{
		{"a header that drips", "GET /livez HTTP/1.1\r\nHost: lab\r\nX-Drip: ", "x", false},
		{"no header at all", "", "", false},
		{"a body that drips", head(http.MethodPost, "/graphql", announced), "{", true},
		{"a GET's body that never comes", head(http.MethodGet, "/graphql?query={__typename}", announced), "", true},
		{
			"a body without a length that never comes",
			"POST /graphql HTTP/1.1\r\nHost: lab\r\nContent-Type: application/json\r\nTransfer-Encoding: " +
				"chunked\r\n\r\n", "", true,
		},
		{
			"a body that is waited for with 100-continue",
			"POST /graphql HTTP/1.1\r\nHost: lab\r\nContent-Type: application/json\r\nExpect: " +
				"100-continue\r\nContent-Length: 1000\r\n\r\n", "", true,
		},
	}
	for _, route := range routes {
		all = append(all, sender{
			"a body that never comes, " + route, head(http.MethodPost, route, announced), "", true,
		})
	}
	return all
}

func head(method, path string, length int) string {
	return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: lab\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n",
		method, path, length)
}

// slowSenders opens connections on which what was begun does not go on: some on each route, and very many that announce
// a long body. All must be ended. A sender of a whole head must be told why.
func slowSenders(ctx context.Context, s *scene) error {
	kinds := senders()
	s.each(ctx, s.attack.connections, func(attacker int) {
		one := sender{"long bodies that never come", head(http.MethodPost, "/graphql", announced), "", true}
		if attacker >= announcers {
			one = kinds[attacker%len(kinds)]
		}
		s.ask()
		s.hears(one.name, one.send(ctx, s.server.Addr()))
	})
	return nil
}

// send sends what it sends, and waits for the connection's end.
func (o sender) send(ctx context.Context, server string) reply {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ended)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", server)
	if err != nil {
		return silence(lost(err))
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline() // it has one
	if err := conn.SetDeadline(deadline); err != nil {
		return silence(err.Error())
	}
	if _, err := io.WriteString(conn, strings.Replace(o.head, labHost, "Host: "+server, 1)); err != nil {
		return silence(lost(err))
	}
	if o.drip != "" {
		dripping, stop := context.WithCancel(ctx)
		defer stop()
		go func() {
			for pause.For(dripping, dripInterval) {
				if _, err := io.WriteString(conn, o.drip); err != nil {
					return
				}
			}
		}()
	}
	return o.end(io.ReadAll(io.LimitReader(conn, announced)))
}

// end judges all that came over a connection until it ended. err is nil for an orderly end.
func (o sender) end(said []byte, err error) reply {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return silence(fmt.Sprintf("still open after %s", ended))
	case !o.owed:
		return reply{text: leftAlone}
	case len(said) == 0:
		return silence("cut off without an answer")
	}
	if code := codeIn(said); code != "" {
		return reply{text: code}
	}
	return reply{text: answered} // another route has an answer of its own, such as 405
}
