package clients

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"interlock/internal/pause"
	"interlock/lab/fault/history"
)

// Of a hundred buyers at the bank, so many pay twice, pay after the hold, are declined before they pay, and do nothing.
// The rest pay.
const (
	twiceOf100   = 5
	lateOf100    = 5
	declineOf100 = 5
	idleOf100    = 5
	// pageThink is up to how long a buyer looks at the page.
	pageThink = 500 * time.Millisecond
	// pageTries is how often a buyer tries to reach the page.
	pageTries = 20
)

// payAtBank begins to pay, does something on the bank's page, and asks until it is known what became of it. shown tells
// that there was a page; paid is nil where the order was not paid.
func (b *buyer) payAtBank(
	c history.Call, order *history.Order, atPage func(page string),
) (shown bool, paid *history.Order) {
	input := map[string]any{"orderId": order.ID, "idempotencyKey": "pay-" + order.Number}
	page := ""
	paid, _ = b.ask(c, payDocument, "payOrder", input, func(r reply) bool {
		page = r.page
		return r.outcome.Resolved() || page != ""
	})
	if page == "" {
		return false, paid // it is resolved
	}
	atPage(page)
	paid, _ = b.insist(c, payDocument, "payOrder", input)
	return true, paid
}

// PayTwice buys a seat and has the bank charge its payment two times. It returns once the bank was told to. The buyer
// then waits for the outcome, as all do. The error is that of ctx, or of the subject's token.
func (w *Workload) PayTwice(ctx context.Context, subject string, stream uint64) error {
	token, err := w.options.Token(subject)
	if err != nil {
		return err
	}
	b := &buyer{workload: w, name: subject, token: token, random: w.random(stream)}
	pressed := make(chan struct{})
	w.people.Go(func() {
		w.working.RLock()
		defer w.working.RUnlock()
		for shown := false; !shown && ctx.Err() == nil && w.life.Err() == nil; {
			order, call := b.place()
			if order == nil {
				continue // the seats of that trip are sold
			}
			call.Request = history.Request{Kind: history.Pay, Buyer: b.name, Key: order.Number}
			shown, _ = b.payAtBank(call, order, func(page string) {
				b.press(page, "twice")
				close(pressed)
			})
		}
	})
	select {
	case <-pressed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// atPage does on the page what people do there.
func (b *buyer) atPage(page string) {
	one := b.random.IntN(100)
	for _, way := range []struct {
		of  int
		can []string
	}{
		{twiceOf100, []string{"twice"}},
		{lateOf100, []string{"late"}},
		{declineOf100, []string{"decline", "pay"}},
		{idleOf100, nil},
		{100, []string{"pay"}},
	} {
		if one -= way.of; one >= 0 {
			continue
		}
		for _, button := range way.can {
			b.press(page, button)
		}
		return
	}
}

// press presses a button of the page. A bank that does not answer is asked again for a while.
func (b *buyer) press(page, button string) {
	for range pageTries {
		if b.workload.press(b.workload.life, page, button) || !pause.For(b.workload.life, askAgain) {
			return
		}
	}
}

// press tells whether the bank took it. A page that is closed by now takes it, and does nothing.
func (w *Workload) press(ctx context.Context, page, button string) bool {
	ctx, cancel := context.WithTimeout(ctx, w.options.Patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, page,
		strings.NewReader(url.Values{"do": {button}}.Encode()))
	if err != nil {
		return false
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	// The page is shown again by a redirection, which no client follows.
	response, err := w.client.Transport.RoundTrip(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusSeeOther
}
