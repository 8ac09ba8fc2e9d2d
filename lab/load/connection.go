package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

const (
	dialTimeout = 5 * time.Second
	// answerTimeout is above the ten seconds in which a server answers everything.
	answerTimeout = 15 * time.Second
	// maxAnswer is many times any answer to an order.
	maxAnswer = 64 << 10
)

// connection is one buyer's HTTP/1.1 connection.
type connection struct {
	conn net.Conn
	in   []byte
}

func dial(ctx context.Context, server string) (*connection, error) {
	dialer := net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(ctx, "tcp", server)
	if err != nil {
		return nil, err
	}
	return &connection{conn: conn, in: make([]byte, 0, 4<<10)}, nil
}

func (c *connection) close() { _ = c.conn.Close() }

var (
	headerEnd     = []byte("\r\n\r\n")
	contentLength = []byte("Content-Length: ")
)

var errNotPlain = errors.New("an answer without Content-Length, or too long")

// roundTrip sends a whole request and returns the answer's status and body, which are good until the next one.
func (c *connection) roundTrip(request []byte) (status int, body []byte, err error) {
	if err := c.conn.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return 0, nil, err
	}
	if _, err := c.conn.Write(request); err != nil {
		return 0, nil, err
	}
	header, length, err := c.receive()
	if err != nil {
		return 0, nil, err
	}
	if len(c.in) < len("HTTP/1.1 200") {
		return 0, nil, fmt.Errorf("not HTTP: %q", c.in)
	}
	for _, digit := range c.in[9:12] {
		status = 10*status + int(digit-'0')
	}
	return status, c.in[header : header+length], nil
}

// receive reads one answer into c.in, and returns how long its header and its body are.
func (c *connection) receive() (header, length int, err error) {
	c.in = c.in[:0]
	for header == 0 || len(c.in) < header+length {
		if err := c.readMore(); err != nil {
			return 0, 0, err
		}
		if header > 0 {
			continue
		}
		if at := bytes.Index(c.in, headerEnd); at >= 0 {
			header = at + len(headerEnd)
			if length, err = lengthOf(c.in[:header]); err != nil {
				return 0, 0, err
			}
		}
	}
	return header, length, nil
}

// readMore reads what comes, into a larger buffer where this one is full.
func (c *connection) readMore() error {
	if len(c.in) == cap(c.in) {
		if cap(c.in) >= maxAnswer {
			return errNotPlain
		}
		c.in = append(make([]byte, 0, 2*cap(c.in)), c.in...)
	}
	n, err := c.conn.Read(c.in[len(c.in):cap(c.in)])
	if err != nil {
		return err
	}
	c.in = c.in[:len(c.in)+n]
	return nil
}

func lengthOf(header []byte) (int, error) {
	at := bytes.Index(header, contentLength)
	if at < 0 {
		return 0, errNotPlain
	}
	n := 0
	for _, digit := range header[at+len(contentLength):] {
		if digit < '0' || digit > '9' {
			break
		}
		n = 10*n + int(digit-'0')
	}
	if n > maxAnswer {
		return 0, errNotPlain
	}
	return n, nil
}
