package load

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
)

// Subscriber is one phone that watches the run being sold, over server-sent events.
type Subscriber struct {
	server string
	client http.Client

	mu     sync.Mutex
	cancel context.CancelFunc
	done   sync.WaitGroup
	events atomic.Int64
	life   context.Context
	end    context.CancelFunc
}

// NewSubscriber watches nothing yet.
func NewSubscriber(ctx context.Context, server string) *Subscriber {
	s := &Subscriber{server: server, client: http.Client{Transport: &http.Transport{}}}
	s.life, s.end = context.WithCancel(ctx)
	return s
}

// Watch leaves what it watched and watches a run.
func (s *Subscriber) Watch(run *Run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancel != nil {
		s.cancel()
	}
	ctx, cancel := context.WithCancel(s.life)
	s.cancel = cancel
	s.done.Go(func() {
		defer cancel()
		// A stream that breaks off is opened again, as phones do; while the cluster is well none does.
		for ctx.Err() == nil {
			if s.watch(ctx, run) != nil {
				pause(ctx, pauseAfterTrouble)
			}
		}
	})
}

func (s *Subscriber) watch(ctx context.Context, run *Run) error {
	body, err := json.Marshal(map[string]any{
		"query":     `subscription($r:[ID!]!){seatAvailability(runIds:$r){version classes{seatClass remaining}}}`,
		"variables": map[string]any{"r": []string{run.ID}},
	})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.server+"/graphql", bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "text/event-stream")
	response, err := s.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("a subscription was answered %s", response.Status)
	}
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if bytes.HasPrefix(lines.Bytes(), []byte("event: next")) {
			s.events.Add(1)
		}
	}
	return errors.Join(lines.Err(), errors.New("the stream ended"))
}

// Events is how many events came.
func (s *Subscriber) Events() int { return int(s.events.Load()) }

// Close leaves.
func (s *Subscriber) Close() {
	s.end()
	s.done.Wait()
	s.client.CloseIdleConnections()
}
