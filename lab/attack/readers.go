package attack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"interlock/internal/pause"
)

const (
	// notReading is for how long nothing is read: the 15 s that a reader has to take an answer, and as many again until
	// the way between it and the server is full. Answers fill it more slowly, since a server makes few large ones at a
	// time. A page or a script has a minute.
	notReading, notReadingAnswers, notReadingFile = 30 * time.Second, 60 * time.Second, 75 * time.Second
	// readBuffer is all that a connection may hold on the attacker's side.
	readBuffer = 4 << 10
	// askedFor is how much is asked for on one connection: more than the system keeps for one. Of answers it is less:
	// each may wait a second for its turn, and all must have been made before anything is read.
	askedFor, askedForAnswers = 24 << 20, 4 << 20
	// onTheWay is what the system may keep of a stream before the server can notice that it is not read.
	onTheWay = 8 << 20
	// neverFull fits between a client and a server: a server that has not sent more has waited for no reader. Refused
	// answers, each after it has waited for its turn, take longer than the attack looks.
	neverFull = 64 << 10
	// maxPipelined bounds the requests on one connection.
	maxPipelined = 4_000
	// drainTimeout is for what the system has kept to be read in the end.
	drainTimeout = 10 * time.Second
)

// noReaders asks for more than fits between client and server and reads nothing. Each connection must be ended.
func noReaders(ctx context.Context, s *scene) error {
	requests, err := s.largeRequests(ctx)
	if err != nil {
		return err
	}
	s.each(ctx, s.attack.connections, func(attacker int) {
		one := requests[attacker%len(requests)]
		s.ask()
		s.hears(one.name, one.leave(ctx, s.server.Addr()))
	})
	return nil
}

// request is one that has a large answer.
type request struct {
	name, text string
	// size is of one answer; 0 for one that never ends.
	size int
	// asked is how much is asked for, and unread for how long nothing of it is read.
	asked  int
	unread time.Duration
}

// dearField is the largest that a seat event has, copies how often a document may ask for it.
const (
	dearField = "run{calls{arrival departure distanceKm saleClosesAt}}"
	copies    = 40
)

// largeRequests are one for each sort of answer, with the sizes that they have now.
func (s *scene) largeRequests(ctx context.Context) ([]request, error) {
	paths := []string{"/schema.graphql", "/metrics", "/playground"}
	if asset, err := s.asset(ctx); err != nil {
		return nil, err
	} else if asset != "" {
		paths = append(paths, asset)
	}
	var all []request
	for _, path := range paths {
		one := request{
			name: path, text: "GET " + path + " HTTP/1.1\r\nHost: " + s.server.Addr() + "\r\n\r\n", asked: askedFor,
			unread: notReading,
		}
		if strings.HasPrefix(path, "/playground") {
			one.unread = notReadingFile
		}
		all = append(all, one)
	}
	stations := `{"query":"{` + strings.TrimSpace(aliases(20, "stations(first:100){nodes{id code name}}")) + `}"}`
	all = append(all, request{
		name: "answers", text: post(s.server.Addr(), stations, ""), asked: askedForAnswers, unread: notReadingAnswers,
	})
	for n := range all {
		size, err := sizeOf(ctx, s.server.Addr(), all[n].text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", all[n].name, err)
		}
		all[n].size = size
	}
	// What is too small would fit on the way: a server that was built without a playground says so in a line.
	all = slices.DeleteFunc(all, func(r request) bool { return r.size*maxPipelined < r.asked })
	events := `{"query":"subscription($r:[ID!]!){seatAvailability(runIds:$r){` +
		strings.TrimSpace(aliases(copies, dearField)) +
		`}}","variables":{"r":["` + s.targets.First().ID + `"]}}`
	return append(all, request{
		name: "events", text: post(s.server.Addr(), events, "Accept: text/event-stream\r\n"), unread: notReading,
	}), nil
}

func post(server, body, fields string) string {
	return fmt.Sprintf("POST /graphql HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n%sContent-Length: "+
		"%d\r\n\r\n%s", server, fields, len(body), body)
}

var assetPath = regexp.MustCompile(`/playground/assets/[A-Za-z0-9_.-]+\.js`)

// asset is the playground's largest part, if there is one.
func (s *scene) asset(ctx context.Context) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.server.Addr()+"/playground", nil)
	if err != nil {
		return "", err
	}
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	page, err := io.ReadAll(io.LimitReader(response.Body, announced))
	return string(assetPath.Find(page)), err
}

// sizeOf is how long one whole answer to a request is.
func sizeOf(ctx context.Context, server, text string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", server)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline() // it has one
	if err := conn.SetDeadline(deadline); err != nil {
		return 0, err
	}
	if _, err := io.WriteString(conn, closing(text)); err != nil {
		return 0, err
	}
	n, err := io.Copy(io.Discard, conn)
	return int(n), err
}

// closing is a request after which the connection ends.
func closing(text string) string {
	return strings.Replace(text, "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1)
}

// leave asks, reads nothing, and finds out in the end whether the server has waited all the time.
func (r request) leave(ctx context.Context, server string) reply {
	ctx = context.WithoutCancel(ctx)
	dialing, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(dialing, "tcp", server)
	if err != nil {
		return silence(lost(err))
	}
	defer conn.Close()
	until := time.Now().Add(r.unread)
	if err := errors.Join(setReadBuffer(conn, readBuffer), conn.SetWriteDeadline(until)); err != nil {
		return silence(err.Error())
	}
	many := r.many()
	// It stops when the server takes no more, too. The last request asks for the connection's end: one that was served
	// whole, and briefly, is not one that waits for its reader.
	_, err = io.WriteString(conn, strings.Repeat(r.text, many-1)+closing(r.text))
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return reply{text: leftAlone}
	}
	pause.For(ctx, time.Until(until))
	err = errors.Join(conn.SetReadDeadline(time.Now().Add(drainTimeout)), setReadBuffer(conn, lookBuffer))
	if err != nil {
		return silence(err.Error())
	}
	came, err := io.CopyBuffer(onlyWriter{io.Discard}, conn, make([]byte, lookBuffer))
	return r.judge(many, came, errors.Is(err, os.ErrDeadlineExceeded))
}

// many is how many requests ask for enough.
func (r request) many() int {
	if r.size == 0 {
		return 1
	}
	return min(r.asked/r.size+1, maxPipelined)
}

// judge says what became of a connection by what came in the end. late tells that the server had not ended it by then.
func (r request) judge(many int, came int64, late bool) reply {
	servedWhole := r.size > 0 && came >= int64(many*r.size)*9/10
	switch {
	case late && r.size == 0 && came < onTheWay:
		return reply{text: "nothing left to send"}
	case late && came < neverFull:
		return reply{text: "had not begun to wait"}
	case late || servedWhole:
		return silence(fmt.Sprintf("still served after %s without reading: %d bytes of %d times %d had come, late: %t",
			r.unread, came, many, r.size, late))
	}
	return reply{text: leftAlone}
}

func setReadBuffer(conn net.Conn, bytes int) error {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return fmt.Errorf("%T is no TCP", conn)
	}
	return tcp.SetReadBuffer(bytes)
}
