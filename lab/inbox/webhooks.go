package inbox

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// maxHook is many times any webhook.
	maxHook = 1 << 20
	// hookTimeout bounds what a sender may take for its header, and closing.
	hookTimeout = 10 * time.Second
)

// Webhook is one that came in.
type Webhook struct {
	Receipt
	// Type is what it tells, Order and Run what of, as clients know them; Order is "" where it is of a run. Version is
	// the order's, or the run's.
	Type, Order, Run string
	Version          int64
}

// Webhooks is where a partner takes webhooks. While it hangs, each is read and not answered.
type Webhooks struct {
	receipts[Webhook]
	hanging

	listener net.Listener
	server   *http.Server
	serving  sync.WaitGroup
}

// OpenWebhooks listens on a free port.
func OpenWebhooks() (*Webhooks, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w := &Webhooks{listener: listener}
	w.server = &http.Server{Handler: http.HandlerFunc(w.take), ReadHeaderTimeout: hookTimeout}
	w.serving.Go(func() { _ = w.server.Serve(listener) }) // it ends with Close
	return w, nil
}

// URL is where webhooks are taken.
func (w *Webhooks) URL() string { return "http://" + w.listener.Addr().String() + "/" }

// Close ends it, and every connection to it.
func (w *Webhooks) Close() error {
	w.GoOn()
	ctx, cancel := context.WithTimeout(context.Background(), hookTimeout)
	defer cancel()
	err := w.server.Shutdown(ctx)
	w.serving.Wait()
	return errors.Join(err, w.server.Close())
}

// take takes a webhook. From here on the partner has it, whether the sender learns of that or not.
func (w *Webhooks) take(to http.ResponseWriter, from *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(to, from.Body, maxHook))
	if err != nil {
		return
	}
	var said struct {
		Type string
		Data struct {
			OrderID, RunID string
			Version        int64
		}
	}
	if err := json.Unmarshal(body, &said); err != nil {
		http.Error(to, err.Error(), http.StatusBadRequest)
		return
	}
	one := Webhook{
		Receipt: Receipt{ID: from.Header.Get("webhook-id"), At: time.Now(), Answered: true},
		Type:    said.Type, Order: said.Data.OrderID, Run: said.Data.RunID, Version: said.Data.Version,
	}
	if over := w.hold(); over != nil {
		select {
		case <-over:
		case <-from.Context().Done():
			one.Answered = false
		}
	}
	w.add(one)
	to.WriteHeader(http.StatusNoContent)
}
