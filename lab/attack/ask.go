package attack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"
)

const (
	// answerTimeout is above the ten seconds in which a server answers everything. A request without an answer by then
	// hangs.
	answerTimeout = 15 * time.Second
	// beginning is as much of an answer as is looked at. Errors come first in it.
	beginning = 4 << 10
	// lookBuffer is for reading on without looking.
	lookBuffer = 64 << 10
)

// question is one HTTP request.
type question struct {
	method, path string
	// body is a POST's; token is empty for a request without one.
	body   []byte
	token  string
	accept string
	// hangUp is after how long the attacker goes away; 0: never.
	hangUp time.Duration
}

// gql is a document and its variables as a POST.
func gql(document string, variables map[string]any, token string) (question, error) {
	body, err := json.Marshal(map[string]any{"query": document, "variables": variables})
	return question{method: http.MethodPost, path: "/graphql", body: body, token: token}, err
}

// ask asks a server and reads the whole answer.
func ask(ctx context.Context, through http.RoundTripper, server string, q question) reply {
	limit := answerTimeout
	if q.hangUp > 0 {
		limit = q.hangUp
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, q.method, "http://"+server+q.path, bytes.NewReader(q.body))
	if err != nil {
		return silence(err.Error())
	}
	request.Header.Set("Content-Type", "application/json")
	if q.accept != "" {
		request.Header.Set("Accept", q.accept)
	}
	if q.token != "" {
		request.Header.Set("Authorization", "Bearer "+q.token)
	}
	response, err := through.RoundTrip(request)
	if err == nil {
		defer response.Body.Close()
		var r reply
		if r, err = readReply(response); err == nil {
			return r
		}
	}
	if q.hangUp > 0 && errors.Is(err, context.DeadlineExceeded) {
		return reply{text: hungUp}
	}
	return silence(lost(err))
}

// readReply reads an answer to its end and says what it was. The error is of a connection that broke.
func readReply(response *http.Response) (reply, error) {
	begun, err := io.ReadAll(io.LimitReader(response.Body, beginning))
	if err != nil {
		return reply{}, err
	}
	if _, err := io.CopyBuffer(onlyWriter{io.Discard}, response.Body, make([]byte, lookBuffer)); err != nil {
		return reply{}, err
	}
	return judgeAnswer(response.StatusCode, begun), nil
}

// onlyWriter keeps io.Copy from the writer's own, smaller buffers.
type onlyWriter struct{ io.Writer }

var (
	errorsKey = []byte(`"errors":[`)
	codeKey   = []byte(`"code":"`)
)

// judgeAnswer says what the beginning of an answer comes to. A refusal must have a code.
func judgeAnswer(status int, begun []byte) reply {
	code := codeIn(begun)
	switch {
	case code != "":
		return reply{text: code}
	case bytes.Contains(begun, errorsKey):
		return silence("errors without a code")
	case status >= http.StatusBadRequest:
		return silence(fmt.Sprintf("status %d without a GraphQL error", status))
	}
	return reply{text: answered}
}

// codeIn is the code of the first error, or of the first refusal, in an answer; "" without one.
func codeIn(answer []byte) string {
	at := bytes.Index(answer, codeKey)
	if at < 0 {
		return ""
	}
	rest := answer[at+len(codeKey):]
	end := bytes.IndexByte(rest, '"')
	if end < 0 {
		return ""
	}
	return string(rest[:end])
}

// lost says how a connection was lost, without its addresses: those of a thousand attackers are a thousand losses.
func lost(err error) string {
	var failed *net.OpError
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Sprintf("no answer within %s", answerTimeout)
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nobody listens"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET),
		errors.Is(err, syscall.EPIPE):
		return "cut off without an answer"
	case errors.As(err, &failed):
		return failed.Op + ": " + failed.Err.Error()
	}
	return err.Error()
}

// newTransport is for so many attackers at once, each with a connection.
func newTransport(connections int) *http.Transport {
	return &http.Transport{
		MaxIdleConnsPerHost: connections, MaxConnsPerHost: 0, DisableCompression: true,
		ReadBufferSize: beginning, WriteBufferSize: beginning,
	}
}
