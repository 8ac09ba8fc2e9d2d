package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// createOperation waits for its turn at the limiter, and then reads the operation and checks it.
func (g *Gateway) createOperation(
	ctx context.Context, exec graphql.GraphExecutor, header http.Header, read func() (*graphql.RawParams, error),
) (operation *graphql.OperationContext, errs gqlerror.List, err error) {
	start := graphql.Now()
	late := g.limiter.do(ctx, func() {
		var params *graphql.RawParams
		if params, err = read(); err == nil {
			err = hasQuery(params)
		}
		if err != nil {
			return
		}
		params.Headers = header
		params.ReadTime = graphql.TraceTiming{Start: start, End: graphql.Now()}
		operation, errs = exec.CreateOperationContext(ctx, params)
	})
	if late != nil {
		return nil, nil, late
	}
	return operation, errs, err
}

// paramsOf reads the parameters of a GET's URL or a POST's body.
func paramsOf(r *http.Request, body []byte) (*graphql.RawParams, error) {
	if r.Method == http.MethodGet {
		return fromURL(r.URL.RawQuery)
	}
	return readParameters(body, "the body")
}

// hasQuery returns an error where there is no query.
func hasQuery(params *graphql.RawParams) error {
	if params.Query != "" {
		return nil
	}
	if _, hash := params.Extensions["persistedQuery"]; hash {
		// The client then sends the whole query.
		return errPersistedQuery
	}
	return errNoQuery
}

var errNoQuery = unreadable("there is no query")

var errPersistedQuery = &gqlerror.Error{
	Message: "PersistedQueryNotSupported", Extensions: map[string]any{"code": "PERSISTED_QUERY_NOT_SUPPORTED"},
}

func fromURL(rawQuery string) (*graphql.RawParams, error) {
	values, err := url.ParseQuery(rawQuery)
	if err != nil {
		return nil, unreadable("the URL's query is not well-formed")
	}
	parameters := append(slices.Clone(parameterNames), streamTicketParameter)
	if err := checkSpelling(slices.Sorted(maps.Keys(values)), parameters); err != nil {
		return nil, err
	}
	for _, name := range parameterNames {
		if len(values[name]) > 1 {
			return nil, unreadable("%s is given twice", name)
		}
		if !utf8.ValidString(values.Get(name)) {
			return nil, unreadable("%s is not UTF-8", name)
		}
	}
	params := &graphql.RawParams{Query: values.Get("query"), OperationName: values.Get("operationName")}
	for name, into := range map[string]*map[string]any{
		"variables": &params.Variables, "extensions": &params.Extensions,
	} {
		if text := values.Get(name); text != "" {
			if err := readJSON([]byte(text), into); err != nil {
				return nil, unreadable("%s is not a JSON object: %s", name, jsonTrouble(err))
			}
		}
	}
	return params, nil
}

// readBody reads a body, within bounds of length and time. It returns a *statusError where these are broken.
func (g *Gateway) readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	limit := g.options.MaxBodyBytes
	tooLong := badRequest(http.StatusRequestEntityTooLarge, "the body is longer than %d bytes", limit)
	if r.ContentLength > limit {
		return nil, tooLong
	}
	body, err := readAll(http.MaxBytesReader(w, r.Body, limit), r.ContentLength)
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return nil, tooLong
	case errors.Is(err, os.ErrDeadlineExceeded):
		w.Header().Set("Connection", "close")
		return nil, badRequest(http.StatusRequestTimeout, "the body did not come within %s", bodyTimeout)
	case err != nil:
		return nil, unreadable("the body cannot be read")
	}
	// A writer that knows no deadlines is a test's.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	return body, nil
}

// firstRead is how much memory a body gets before any of it has come. Most bodies are shorter.
const firstRead = 4 << 10

// readAll reads a whole body. Its memory grows with what has come, and not with the length that was announced.
func readAll(body io.Reader, length int64) ([]byte, error) {
	if length >= 0 && length <= firstRead {
		whole := make([]byte, length)
		n, err := io.ReadFull(body, whole)
		return whole[:n], err
	}
	// A buffer needs room for one more read to see the end.
	whole := bytes.NewBuffer(make([]byte, 0, firstRead+bytes.MinRead))
	_, err := whole.ReadFrom(body)
	return whole.Bytes(), err
}
