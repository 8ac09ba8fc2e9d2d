package clients

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"interlock/lab/fault/history"
	"interlock/services/rail"
)

const (
	// answerTimeout is when a client usually gives an answer up and asks another server: one that is frozen never gives
	// one.
	answerTimeout = 4 * time.Second
	// maxAnswer is many times any answer to what is asked here.
	maxAnswer = 1 << 20
	// fewestPause and longestPause bound how long a client waits before it asks again, whatever the answer says.
	fewestPause, longestPause = 50 * time.Millisecond, time.Second
)

// fault codes of a whole answer, and what a client makes of them.
var outcomes = map[string]history.Outcome{
	"ORDER_PENDING": history.Pending, "OVERLOADED": history.Overloaded, "UNAVAILABLE": history.Unavailable,
	"RATE_LIMITED": history.Overloaded,
}

// reply is an answer as it came.
type reply struct {
	outcome    history.Outcome
	code       string
	problem    string
	retryAfter time.Duration
	data       json.RawMessage
	// page is where the order can be paid, "" for nowhere.
	page string
	// quote is the id of the quote that holds now, "" where none was told.
	quote string
}

// ask sends a document to a server. What goes wrong is a reply, too: a broken one.
func (w *Workload) ask(ctx context.Context, server, token, query string, variables map[string]any) reply {
	ctx, cancel := context.WithTimeout(ctx, w.options.Patience)
	defer cancel()
	broken := func(err error) reply { return reply{outcome: history.Broken, problem: err.Error()} }
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		return broken(err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+server+"/graphql", bytes.NewReader(body))
	if err != nil {
		return broken(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := w.client.Do(request)
	if err != nil {
		return broken(err)
	}
	defer response.Body.Close()
	said, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return broken(err)
	}
	var whole struct {
		Data   json.RawMessage
		Errors []struct {
			Message    string
			Extensions struct {
				Code         string
				RetryAfterMs float64
			}
		}
	}
	if err := json.Unmarshal(said, &whole); err != nil {
		return broken(fmt.Errorf("%s: %w: %.200s", response.Status, err, said))
	}
	if len(whole.Errors) == 0 {
		return reply{outcome: history.Done, data: whole.Data}
	}
	first := whole.Errors[0]
	outcome, known := outcomes[first.Extensions.Code]
	if !known {
		outcome = history.Broken
	}
	return reply{
		outcome: outcome, code: first.Extensions.Code, problem: first.Message,
		retryAfter: time.Duration(first.Extensions.RetryAfterMs * float64(time.Millisecond)),
	}
}

// told is an order in an answer.
type told struct {
	ID, Number, State string
	Version           int64
	Total             struct{ Amount, CurrencyCode string }
	PayBy             time.Time
	Tickets           []struct {
		ID, Coach, Seat string
		State           string
		Passenger       struct{ Name, DocumentNumberMasked string }
	}
}

// payload is what every mutation of an order answers.
type payload struct {
	Order *told
	// Payment is of payOrder alone.
	Payment *struct{ State, RedirectURL string }
	// Quote is of what is returned alone.
	Quote      *struct{ ID string }
	UserErrors []struct{ Code, Message string }
}

// mutate sends a mutation of an order and notes the call. The payload is under the field's name.
func (w *Workload) mutate(
	ctx context.Context, c *history.Call, token, query, field string, input map[string]any,
) reply {
	c.Start = time.Now()
	answer := w.ask(ctx, c.Server, token, query, map[string]any{"i": input})
	c.End = time.Now()
	if answer.outcome == history.Done {
		answer = read(answer, field, c)
	}
	if answer.outcome == history.Waiting {
		c.Order = nil // a client that waits was promised nothing
	}
	wanted := comesOf[c.Kind]
	if c.Ticket != "" {
		wanted = "" // that of the order depends on its other tickets
	}
	if answer.outcome == history.Done && wanted != "" && c.Order.State != wanted {
		answer = reply{
			outcome: history.Broken, problem: fmt.Sprintf("the order is %s after a %s", c.Order.State, c.Kind),
		}
		c.Order = nil
	}
	c.Outcome, c.Code, c.Problem = answer.outcome, answer.code, answer.problem
	w.log.Add(*c)
	return answer
}

const (
	// paymentPending is a payment that the provider or the ledger has yet to decide.
	paymentPending = "PENDING"
	// paymentFailed is one whose page was closed, a moment before the end of the hold. The order could be paid anew;
	// here the client waits until the hold is over.
	paymentFailed = "FAILED"
	// askAgain is how often a client asks how a payment stands.
	askAgain = 300 * time.Millisecond
)

// comesOf is the state of an order once the request has taken place. A placed order may have any state by then.
var comesOf = map[history.Kind]rail.OrderState{
	history.Pay: rail.Paid, history.Cancel: rail.Cancelled, history.Refund: rail.Returned,
}

// read finds the order or the refusal in an answer.
func read(answer reply, field string, c *history.Call) reply {
	payloads := map[string]payload{}
	if err := json.Unmarshal(answer.data, &payloads); err != nil {
		return reply{outcome: history.Broken, problem: err.Error()}
	}
	p := payloads[field]
	switch {
	case len(p.UserErrors) > 0 && p.Quote != nil:
		// Nothing was done: the buyer is to look at the new quote.
		return reply{outcome: history.Waiting, code: p.UserErrors[0].Code, quote: p.Quote.ID, data: answer.data}
	case len(p.UserErrors) > 0:
		return reply{outcome: history.Refused, code: p.UserErrors[0].Code, problem: p.UserErrors[0].Message}
	case p.Order == nil || len(p.Order.Tickets) == 0:
		return reply{
			outcome: history.Broken, problem: fmt.Sprintf("neither an order nor a reason: %.200s", answer.data),
		}
	}
	total, err := rail.ParseMoney(p.Order.Total.Amount, rail.Currency(p.Order.Total.CurrencyCode))
	if err != nil {
		return reply{outcome: history.Broken, problem: err.Error()}
	}
	if p.Payment != nil && (p.Payment.State == paymentPending || p.Payment.State == paymentFailed) {
		answer.outcome, answer.page, answer.retryAfter = history.Waiting, p.Payment.RedirectURL, askAgain
	}
	c.Order = &history.Order{
		ID: p.Order.ID, Number: p.Order.Number, Version: p.Order.Version, State: rail.OrderState(p.Order.State),
		Total: total, PayBy: p.Order.PayBy,
	}
	for _, t := range p.Order.Tickets {
		c.Order.Tickets = append(c.Order.Tickets, history.Ticket{
			ID: t.ID, Coach: t.Coach, Seat: t.Seat, Name: t.Passenger.Name,
			DocumentMasked: t.Passenger.DocumentNumberMasked,
		})
		if c.Kind == history.Refund && c.Ticket == t.ID && t.State != string(rail.TicketRefunded) {
			return reply{outcome: history.Broken, problem: "the ticket is " + t.State + " after a refund"}
		}
	}
	return answer
}
