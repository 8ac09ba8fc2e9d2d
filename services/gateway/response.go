package gateway

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

const (
	mediaGraphQL = "application/graphql-response+json"
	mediaJSON    = "application/json"
	mediaEvents  = "text/event-stream"
)

// refuse answers a request that was not executed. It takes any error: one that is not of ours is presented as INTERNAL.
func (g *Gateway) refuse(w http.ResponseWriter, r *http.Request, status int, err error) {
	presented := g.presenter.present(r.Context(), err)
	wait, ok := presented.Extensions["retryAfterMs"].(int64)
	if ok && (status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests) {
		// Whole seconds, rounded up: a client that comes too early is refused again.
		w.Header().Set("Retry-After", strconv.FormatInt((wait+999)/1000, 10))
	}
	// The server reads the rest of the body first.
	g.writeResponse(w, r, status, bodyTimeout+writeTimeout, &graphql.Response{Errors: gqlerror.List{presented}})
}

// statusOfUnexecuted is the status of a response to an operation that was read and not executed: its document, the name
// of the operation or a variable makes no sense. It has no data, and so it is 400 as application/graphql-response+json.
// As application/json it is 200: clients of that time take any other status for a proxy's, and do not read the errors
// (GraphQL over HTTP, Status Codes).
func statusOfUnexecuted(r *http.Request) int {
	if acceptedBy(r).json == mediaJSON {
		return http.StatusOK
	}
	return http.StatusBadRequest
}

// writeResponse writes a whole response within a time. The response to an operation that was executed has data, if only
// null; a refusal has none.
func (g *Gateway) writeResponse(
	w http.ResponseWriter, r *http.Request, status int, within time.Duration, response *graphql.Response,
) {
	body, err := encodeResponse(response)
	if err != nil {
		// Only an extension of our own could fail to encode.
		panic(err)
	}
	// A refusal is JSON also for those who accept no JSON.
	g.writeBody(w, r, status, within, cmp.Or(acceptedBy(r).json, mediaJSON), body)
}

// writeBody writes a whole body of JSON within a time, compressed where the client takes that.
func (g *Gateway) writeBody(
	w http.ResponseWriter, r *http.Request, status int, within time.Duration, contentType string, body []byte,
) {
	header := w.Header()
	header.Set("Content-Type", contentType+"; charset=utf-8")
	header.Add("Vary", "Accept, Accept-Encoding")
	body, coding := g.compression.compress(r.Header, body)
	if coding != "" {
		header.Set("Content-Encoding", coding)
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	// Only a test's writer has no deadlines.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(within))
	w.WriteHeader(status)
	// An error can only mean that the client is gone.
	_, _ = w.Write(body)
}

// encodeResponse returns a response's JSON. The data is JSON already, and may be large. It is copied; encoding/json
// would check and compact it once more.
func encodeResponse(response *graphql.Response) ([]byte, error) {
	body := make([]byte, 0, len(response.Data)+256)
	body = append(body, '{')
	if len(response.Errors) > 0 {
		errs, err := json.Marshal(response.Errors)
		if err != nil {
			return nil, err
		}
		body = append(append(body, `"errors":`...), errs...)
	}
	if response.Data != nil {
		if len(body) > 1 {
			body = append(body, ',')
		}
		body = append(append(body, `"data":`...), response.Data...)
	}
	if len(response.Extensions) > 0 {
		extensions, err := json.Marshal(response.Extensions)
		if err != nil {
			return nil, err
		}
		if len(body) > 1 {
			body = append(body, ',')
		}
		body = append(append(body, `"extensions":`...), extensions...)
	}
	return append(body, '}'), nil
}
