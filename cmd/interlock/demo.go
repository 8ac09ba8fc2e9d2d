package main

import (
	"context"
	"fmt"
	"io"
	"text/template"
	"time"

	"interlock/services/publish"
	"interlock/services/publish/sample"
	"interlock/services/rail"
)

// demoZone is the time zone of the sample's trains: their dates begin there.
const demoZone = "Asia/Shanghai"

// publishDemo puts the sample timetable on sale from today on. On a later day, it adds the new days.
func (s *Server) publishDemo(ctx context.Context, days int) error {
	feed, err := sample.Feed(ctx)
	if err != nil {
		return err
	}
	templates, err := sample.Templates()
	if err != nil {
		return err
	}
	today, err := demoToday()
	if err != nil {
		return err
	}
	report, err := s.publisher.Import(ctx, publish.ImportRequest{
		Feed: feed, Templates: templates, From: today, Days: days, By: "demo",
	})
	if err != nil {
		return err
	}
	s.log.Info("the sample timetable is on sale", "from", today, "days", days, "stations", report.Stations,
		"trains", report.Trains, "runs", report.Runs, "created", report.Created)
	s.prepare("")
	return nil
}

func demoToday() (rail.Date, error) {
	zone, err := rail.LoadZone(demoZone)
	if err != nil {
		return 0, err
	}
	return rail.DateIn(time.Now(), zone), nil
}

// demoTokenLife is how long the printed tokens are valid.
const demoTokenLife = 24 * time.Hour

// demoText is what serve --demo prints. A line that begins with {{- goes on with the one before it.
var demoText = template.Must(template.New("demo").Parse(`
Interlock is ready: {{.Trains}} trains a day, on sale from {{.Today}} on, {{.Durability}} durability.

  {{.URL}}/playground   publish, search, buy, watch and refund, in tabs (
{{- if .Admin}}opens with an admin's token: {{.URL}}/playground#token={{.Admin}}
{{- else}}an admin's token: interlock token --role ADMIN,PASSENGER --subject demo-admin{{end}})
  {{.URL}}/readyz       whether it is ready, and what an acknowledged order is worth
  {{.URL}}/metrics      figures

A passenger's token:

  TOKEN={{.Passenger}}

Buy a seat on G1 to Shanghai tomorrow (it prints the order; each call has a key of its own and buys another seat,
{{- " up to five unpaid ones):"}}

  RUN=$(curl -s {{.URL}}/graphql -H 'content-type: application/json' \
    -d '{"query":"{run(train:\"G1\",date:\"{{.Tomorrow}}\"){id}}"}' | sed 's/.*"id":"\([^"]*\)".*/\1/')
  curl -s {{.URL}}/graphql -H 'content-type: application/json' -H "authorization: Bearer $TOKEN" \
    -d '{"query":"mutation($i:PlaceOrderInput!){placeOrder(input:$i){
{{- ""}}order{number payBy tickets{coach seat price{amount currencyCode}}} userErrors{code message path}}}",
{{- ""}}"variables":{"i":{"idempotencyKey":"demo-'$(date +%s%N)'","runId":"'$RUN'","from":"VNP","to":"AOH",
{{- ""}}"contact":{"email":"you@example.com","language":"en"},
{{- ""}}"passengers":[{"name":"A Passenger","documentNumber":"D'$(date +%s%N)'","seatClass":"SECOND"}]}}}'
{{if .Bank}}
Pay for it. It prints the page of the sandbox bank, which takes no money: open it in a browser, and choose "Pay" there.

  ORDER=$(curl -s {{.URL}}/graphql -H 'content-type: application/json' -H "authorization: Bearer $TOKEN" \
    -d '{"query":"{viewer{orders(first:1){nodes{id}}}}"}' | sed 's/.*"id":"\([^"]*\)".*/\1/')
  curl -s {{.URL}}/graphql -H 'content-type: application/json' -H "authorization: Bearer $TOKEN" \
    -d '{"query":"mutation($i:PayOrderInput!){payOrder(input:$i){
{{- ""}}order{number state} payment{state redirectUrl} userErrors{code message}}}",
{{- ""}}"variables":{"i":{"orderId":"'$ORDER'","idempotencyKey":"pay-'$(date +%s%N)'"}}}'

Watch the order become PAID (run it before you pay, in a window that has TOKEN and ORDER):

  curl -N {{.URL}}/graphql -H 'content-type: application/json' -H 'accept: text/event-stream' \
    -H "authorization: Bearer $TOKEN" \
    -d '{"query":"subscription($o:ID!){orderChanged(orderId:$o){number state stateReason paidAt}}",
{{- ""}}"variables":{"o":"'$ORDER'"}}'
{{end}}
{{if .Mails}}Once the order is paid, a mail with the ticket is in {{.Mails}}: open it with any mail program. In
production it is sent (--mail-server).

{{end}}Watch the seats of the same run go (leave it running and buy in another window):

  curl -N {{.URL}}/graphql -H 'content-type: application/json' -H 'accept: text/event-stream' \
    -d '{"query":"subscription($r:[ID!]!){seatAvailability(runIds:$r,from:\"VNP\",to:\"AOH\"){
{{- ""}}version classes{seatClass remaining}}}","variables":{"r":["'$RUN'"]}}'

`))

// demoAdmin is an admin's token to print. It is "" where others can reach the server: there, output ends up in logs
// that more people read.
func (s *Server) demoAdmin(ctx context.Context) (string, error) {
	why, err := s.settings.exposed(ctx)
	if err != nil || why != "" {
		return "", err
	}
	return s.tokens.Issue("demo-admin", []rail.Role{rail.RoleAdmin, rail.RolePassenger}, demoTokenLife)
}

// tellDemo prints what to open and what to try.
func (s *Server) tellDemo(ctx context.Context, days int, out io.Writer) error {
	if err := s.awaitReady(ctx); err != nil {
		return err
	}
	if s.tokens == nil {
		return nil
	}
	admin, err := s.demoAdmin(ctx)
	if err != nil {
		return err
	}
	passenger, err := s.tokens.Issue("demo-passenger", []rail.Role{rail.RolePassenger}, demoTokenLife)
	if err != nil {
		return err
	}
	today, err := demoToday()
	if err != nil {
		return err
	}
	_, runs := s.timetable.Size()
	return demoText.Execute(out, map[string]any{
		"URL": s.URL(), "Admin": admin, "Passenger": passenger, "Today": today, "Tomorrow": today.AddDays(1),
		"Trains": fmt.Sprint(runs / days), "Durability": s.durability(), "Bank": s.settings.payments() == bankPayments,
		"Mails": s.settings.mailsFolder(),
	})
}
