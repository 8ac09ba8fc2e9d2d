// The program buys and cancels a seat with the client that genqlient makes of the example operations. It sends null
// for each optional variable and field that is not given, as genqlient does for pointers.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/Khan/genqlient/graphql"
)

const (
	seats   = 80
	timeout = 30 * time.Second
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	client := graphql.NewClient(os.Getenv("GRAPHQL_URL"), &http.Client{Transport: authorized{}})
	if err := run(ctx, client); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// authorized sends the token with each request.
type authorized struct{}

// RoundTrip implements http.RoundTripper.
func (authorized) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+os.Getenv("TOKEN"))
	return http.DefaultTransport.RoundTrip(r)
}

func run(ctx context.Context, client graphql.Client) error {
	date := os.Getenv("RUN_DATE")
	found, err := Search(ctx, client, []string{"ZUE"}, []string{"BRN"}, date, nil)
	if err != nil {
		return err
	}
	if n := len(found.SearchTickets.Nodes); n != 2 {
		return fmt.Errorf("%d trains were found, not 2", n)
	}
	runs, err := Run(ctx, client, "IC 1", date)
	if err != nil {
		return err
	}
	if left := runs.Run.Availability.Classes[0].Remaining; left == nil || *left != seats {
		return fmt.Errorf("%v seats are left, not %d", left, seats)
	}
	orderID, err := buyTwice(ctx, client, runs.Run.Id)
	if err != nil {
		return err
	}
	mine, err := MyOrders(ctx, client, nil, nil)
	if err != nil {
		return err
	}
	if orders := mine.Viewer.Orders.Nodes; len(orders) != 1 || orders[0].Id != orderID {
		return fmt.Errorf("the orders are %+v, not %s alone", orders, orderID)
	}
	cancelled, err := CancelOrder(ctx, client, &CancelOrderInput{OrderId: orderID})
	if err != nil {
		return err
	}
	if order := cancelled.CancelOrder.Order; order == nil || order.State != OrderStateCancelled {
		return fmt.Errorf("cancelling answered %+v", cancelled.CancelOrder)
	}
	_, err = Run(ctx, client, "IC 1", "no date")
	if err == nil || !strings.Contains(err.Error(), "is not a date") {
		return fmt.Errorf("a date that is none was answered with: %v", err)
	}
	return nil
}

// buyTwice sends the same purchase twice, and returns the one order.
func buyTwice(ctx context.Context, client graphql.Client, runID string) (string, error) {
	var ids []string
	for range 2 {
		placed, err := PlaceOrder(ctx, client, &PlaceOrderInput{
			IdempotencyKey: "purchase-1", RunId: runID, From: "ZUE", To: "BRN",
			Passengers: []*PassengerInput{{Name: "A Passenger", DocumentNumber: "DOC1001", SeatClass: SeatClassSecond}},
		})
		if err != nil {
			return "", err
		}
		if placed.PlaceOrder.Order == nil {
			return "", fmt.Errorf("refused: %+v", placed.PlaceOrder.UserErrors)
		}
		ids = append(ids, placed.PlaceOrder.Order.Id)
	}
	if ids[0] != ids[1] {
		return "", fmt.Errorf("the same key gave two orders, %v", ids)
	}
	return ids[0], nil
}
