package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"interlock/internal/pause"
)

// healthTimeout is longer than every check of /readyz may take.
const healthTimeout = 5 * time.Second

// maxHealth bounds what is read of a response.
const maxHealth = 64 << 10

// ready asks /readyz of a server. It returns the response's text, and whether the server is ready.
func ready(ctx context.Context, url string) (bool, string, error) {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/readyz", nil)
	if err != nil {
		return false, "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxHealth))
	return response.StatusCode == http.StatusOK, string(body), err
}

// readyPoll is the pause between two requests to a server that is getting ready.
const readyPoll = 100 * time.Millisecond

// awaitReady returns when the server is ready, or with the context's error.
func (s *Server) awaitReady(ctx context.Context) error {
	isReady, _ := pause.Until(ctx, readyPoll, func() (bool, error) {
		ok, _, err := ready(ctx, s.URL())
		return ok && err == nil, nil
	})
	if !isReady {
		return ctx.Err()
	}
	return nil
}

type healthcheckCommand struct{}

// Run exits with 0 when the local server is ready, 1 when it is not, 2 when it does not answer.
func (healthcheckCommand) Run(ctx context.Context, settings *Settings, out io.Writer) error {
	url, err := settings.localURL()
	if err != nil {
		return err
	}
	ok, answer, err := ready(ctx, url)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, answer)
	if !ok {
		return errFound
	}
	return nil
}
