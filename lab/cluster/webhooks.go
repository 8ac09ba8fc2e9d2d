package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxWebhook is many times any webhook of the bank.
	maxWebhook = 1 << 20
	// webhookTimeout is longer than the bank waits.
	webhookTimeout = 10 * time.Second
)

// Webhook is one that the bank sent.
type Webhook struct {
	// ID is the notice's, the same in every copy. PaymentID is the payment's that it is about, Type what it tells.
	ID, PaymentID, Type string
	// At is when it came here, and Status what the service answered; 0 for nothing.
	At     time.Time
	Status int
}

// Webhooks stand between the bank and the service of payments: they pass each webhook on as it is, and note it. They
// are safe for concurrent use.
type Webhooks struct {
	to       atomic.Pointer[string]
	listener net.Listener
	server   *http.Server
	client   *http.Client
	serving  sync.WaitGroup

	mu  sync.Mutex
	all []Webhook
}

// openWebhooks passes webhooks on to an address.
func openWebhooks(to string) (*Webhooks, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w := &Webhooks{listener: listener, client: &http.Client{
		Timeout: webhookTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Second},
	}}
	w.SendTo(to)
	w.server = &http.Server{Handler: http.HandlerFunc(w.pass), ReadHeaderTimeout: webhookTimeout}
	w.serving.Go(func() { _ = w.server.Serve(listener) }) // it ends with close
	return w, nil
}

// webhookPath is where the service takes the bank's webhooks.
const webhookPath = "/webhooks/bank"

// URL is where the bank sends them.
func (w *Webhooks) URL() string { return "http://" + w.listener.Addr().String() + webhookPath }

// SendTo passes the next ones on to another address.
func (w *Webhooks) SendTo(addr string) { w.to.Store(&addr) }

// All are those so far, in the order in which they came.
func (w *Webhooks) All() []Webhook {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.all)
}

func (w *Webhooks) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), webhookTimeout)
	defer cancel()
	err := w.server.Shutdown(ctx)
	w.serving.Wait()
	w.client.CloseIdleConnections()
	return errors.Join(err, w.server.Close())
}

// pass passes a webhook on, and its answer back.
func (w *Webhooks) pass(to http.ResponseWriter, from *http.Request) {
	one := Webhook{At: time.Now()}
	body, err := io.ReadAll(http.MaxBytesReader(to, from.Body, maxWebhook))
	if err != nil {
		return
	}
	one.read(body)
	var answer []byte
	one.Status, answer, err = w.send(from.Context(), from.Header, body)
	w.mu.Lock()
	w.all = append(w.all, one)
	w.mu.Unlock()
	if err != nil {
		http.Error(to, err.Error(), http.StatusBadGateway)
		return
	}
	to.WriteHeader(one.Status)
	_, _ = to.Write(answer) // the bank may be gone
}

func (w *Webhooks) send(ctx context.Context, header http.Header, body []byte) (status int, answer []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+*w.to.Load()+webhookPath,
		bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	request.Header = header.Clone()
	response, err := w.client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(response.Body, maxWebhook))
	return response.StatusCode, answer, err
}

// read finds in a webhook what it is about. One that is none of the bank's stays empty.
func (one *Webhook) read(body []byte) {
	var event struct {
		ID, Type string
		Data     struct {
			Object struct {
				Metadata struct {
					PaymentID string `json:"payment_id"`
				}
			}
		}
	}
	if json.Unmarshal(body, &event) == nil {
		one.ID, one.Type, one.PaymentID = event.ID, event.Type, event.Data.Object.Metadata.PaymentID
	}
}
