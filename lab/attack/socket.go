package attack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/coder/websocket"
)

// socket is an attacker's WebSocket, in the protocol graphql-transport-ws. It is for one goroutine, but for listen.
type socket struct {
	conn *websocket.Conn
	last int
}

// maxMessage is many times any honest message. A longer one would end the attack at the attacker.
const maxMessage = 64 << 20

// dial opens a socket and says nothing on it. Where it was refused, there is none, and the reply says why.
func dial(ctx context.Context, server string) (*socket, reply) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTimeout)
	defer cancel()
	transport := newTransport(1)
	transport.DisableKeepAlives = true
	conn, response, err := websocket.Dial(ctx, "ws://"+server+"/graphql", &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: transport}, Subprotocols: []string{"graphql-transport-ws"},
	})
	if err == nil {
		conn.SetReadLimit(maxMessage)
		return &socket{conn: conn}, reply{text: answered}
	}
	if response == nil {
		return nil, silence(lost(err))
	}
	defer response.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(response.Body, beginning)) // the library has read it already
	return nil, judgeAnswer(response.StatusCode, said)
}

// openSocket opens a socket and sends the attacker's token, if it has one.
func openSocket(ctx context.Context, server, token string) (*socket, reply) {
	s, r := dial(ctx, server)
	if s == nil {
		return nil, r
	}
	payload := ""
	if token != "" {
		payload = `,"payload":{"authorization":"Bearer ` + token + `"}`
	}
	err := s.write(ctx, `{"type":"connection_init"`+payload+`}`)
	var said message
	if err == nil {
		said, err = s.read(ctx)
	}
	if err == nil && said.kind == "connection_ack" {
		return s, reply{text: answered}
	}
	s.close()
	if err == nil {
		return nil, silence("connection_init was answered " + said.kind)
	}
	return nil, closed(err)
}

// message is what counts of a message from the server.
type message struct {
	kind, id, code string
}

var (
	typeKey = []byte(`"type":"`)
	idKey   = []byte(`"id":"`)
)

func (s *socket) read(ctx context.Context) (message, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTimeout)
	defer cancel()
	return s.next(ctx)
}

// next waits for a message as long as the context lasts.
func (s *socket) next(ctx context.Context) (message, error) {
	_, reader, err := s.conn.Reader(ctx)
	if err != nil {
		return message{}, err
	}
	begun, err := io.ReadAll(io.LimitReader(reader, beginning))
	if err != nil {
		return message{}, err
	}
	if _, err := io.Copy(io.Discard, reader); err != nil {
		return message{}, err
	}
	m := message{kind: textAfter(begun, typeKey), id: textAfter(begun, idKey)}
	if m.kind == "error" || bytes.Contains(begun, errorsKey) {
		m.code = codeIn(begun)
	}
	return m, nil
}

func textAfter(b, key []byte) string {
	_, rest, _ := bytes.Cut(b, key)
	text, _, _ := bytes.Cut(rest, []byte(`"`))
	return string(text)
}

func (s *socket) write(ctx context.Context, text string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTimeout)
	defer cancel()
	return s.conn.Write(ctx, websocket.MessageText, []byte(text))
}

// subscribe begins an operation and is its id.
func (s *socket) subscribe(ctx context.Context, v variant) (id string, err error) {
	payload, err := json.Marshal(map[string]any{"query": v.document, "variables": v.variables})
	if err != nil {
		return "", err
	}
	s.last++
	id = strconv.Itoa(s.last)
	return id, s.write(ctx, `{"type":"subscribe","id":"`+id+`","payload":`+string(payload)+`}`)
}

// ask asks one question and waits for its end.
func (s *socket) ask(ctx context.Context, v variant) reply {
	id, err := s.subscribe(ctx, v)
	if err != nil {
		return closed(err)
	}
	told := reply{text: answered}
	for {
		m, err := s.read(ctx)
		switch {
		case err != nil:
			return closed(err)
		case m.kind == "ping":
			if err := s.write(ctx, `{"type":"pong"}`); err != nil {
				return closed(err)
			}
		case m.id != id:
		case m.kind == "error" && m.code == "":
			return silence("an error without a code")
		case m.kind == "error":
			return reply{text: m.code}
		case m.kind == "next" && m.code != "":
			told.text = m.code
		case m.kind == "complete":
			return told
		}
	}
}

// closed says why a socket was closed: a reason is an explanation, a connection that is gone is none.
func closed(err error) reply {
	var why websocket.CloseError
	if errors.As(err, &why) && why.Reason != "" {
		return reply{text: fmt.Sprintf("closed %d", why.Code)}
	}
	return silence(lost(err))
}

// close ends a socket, if there is one.
func (s *socket) close() {
	if s != nil {
		_ = s.conn.CloseNow() // the rest is of no use
	}
}
