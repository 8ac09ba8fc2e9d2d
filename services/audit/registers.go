package audit

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// verifyRegisters checks the tables beside the runs and their orders.
func (a *Auditor) verifyRegisters(ctx context.Context, report *Report) error {
	for _, check := range []func(context.Context, *Report) error{
		a.verifyTrains, a.verifyFormations, a.verifyPublications, a.verifyStrays, a.verifyAsked, a.verifyRecords,
		a.verifyOutbox, a.verifyCluster,
	} {
		if err := check(ctx, report); err != nil {
			return err
		}
	}
	return nil
}

// verifyTrains holds trains against their ids and the rules, and stations against the trains that call at them.
func (a *Auditor) verifyTrains(ctx context.Context, report *Report) error {
	// calledAt are the stations that trains call at, each with one of its trains. Trains are read before stations,
	// since no train is published before its stations.
	calledAt := map[rail.StationCode]string{}
	for w, err := range a.Ledger.Trains(ctx) {
		if err != nil {
			return err
		}
		row := "train " + w.ID
		if w.Train == nil {
			report.row(CheckTrain, row, "cannot be read: %v", w.Problem)
			continue
		}
		if errs := w.Train.Validate(); len(errs) > 0 {
			report.row(CheckTrain, row, "could not be published: %v", errs[0])
		}
		for i := range w.Train.Calls {
			calledAt[w.Train.Calls[i].Station] = w.ID
		}
	}
	return a.verifyStations(ctx, report, calledAt)
}

func (a *Auditor) verifyStations(ctx context.Context, report *Report, calledAt map[rail.StationCode]string) error {
	stations, err := a.Ledger.StationRows(ctx)
	if err != nil {
		return err
	}
	for i := range stations {
		w := &stations[i]
		row := fmt.Sprintf("station %s", w.Code)
		delete(calledAt, w.Code)
		switch {
		case w.Station == nil:
			report.row(CheckStation, row, "cannot be read: %v", w.Problem)
		case w.Station.Code != w.Code:
			report.row(CheckStation, row, "its document is of %s", w.Station.Code)
		default:
			if errs := w.Station.Validate(); len(errs) > 0 {
				report.row(CheckStation, row, "could not be published: %v", errs[0])
			}
		}
		switch {
		case !putsStations(w.Did):
			report.row(CheckPublication, row, "its publication is %d, which the record does not have for stations",
				w.Publication)
		case (w.Did == ledger.DidFeedStations) != (w.Feed != ""):
			report.row(CheckStation, row, "its row and the record of publications differ in whether it is of a feed")
		}
	}
	for code, train := range calledAt {
		report.row(CheckStation, fmt.Sprintf("station %s", code), "the train %s calls there, and it is not there",
			train)
	}
	return nil
}

// putsStations tells whether a publication of a kind is of stations, and not of runs.
func putsStations(did string) bool { return did == ledger.DidStations || did == ledger.DidFeedStations }

// verifyFormations holds formations against their ids and the rules.
func (a *Auditor) verifyFormations(ctx context.Context, report *Report) error {
	for w, err := range a.Ledger.Formations(ctx) {
		if err != nil {
			return err
		}
		row := "formation " + w.ID
		if w.Formation == nil {
			report.row(CheckTrain, row, "cannot be read: %v", w.Problem)
		} else if errs := w.Formation.Validate(); len(errs) > 0 {
			report.row(CheckTrain, row, "could not be published: %v", errs[0])
		}
	}
	return nil
}

// verifyPublications holds the record of publications against its own number and the runs that it names.
func (a *Auditor) verifyPublications(ctx context.Context, report *Report) error {
	before, err := a.Ledger.PublicationNumber(ctx)
	if err != nil {
		return err
	}
	last, latest := int64(0), time.Time{}
	for w, err := range a.Ledger.Publications(ctx) {
		if err != nil {
			return err
		}
		if w.Number != last+1 {
			report.row(CheckPublication, fmt.Sprintf("publication %d", w.Number),
				"the one before it is %d: numbers rise by one, from 1", last)
		}
		last = w.Number
		verifyPublication(&w, latest, report)
		if w.At.After(latest) && !w.At.After(w.Now.Add(slack)) {
			latest = w.At
		}
	}
	after, err := a.Ledger.PublicationNumber(ctx)
	if err != nil {
		return err
	}
	// Something may have been published meanwhile.
	if last < before || last > after {
		report.row(CheckPublication, "counter publication", "it is %d, and the last publication is %d",
			cmp.Or(after, before), last)
	}
	return nil
}

// verifyPublication checks one publication. latest is the latest that one before it was made at.
func verifyPublication(w *ledger.WrittenPublication, latest time.Time, report *Report) {
	wrong := func(format string, arguments ...any) {
		report.row(CheckPublication, fmt.Sprintf("publication %d", w.Number), format, arguments...)
	}
	if w.At.UnixMilli() <= 0 || w.At.After(w.Now.Add(slack)) {
		wrong("it was made at %s, and now it is %s", at(w.At), at(w.Now))
	}
	if w.At.Before(latest.Add(-slack)) {
		wrong("it was made at %s, after one that was made at %s", at(w.At), at(latest))
	}
	if !putsStations(w.Did) && statusAfter[w.Did] == nil {
		wrong("%q is nothing that a publication does", w.Did)
	}
	if putsStations(w.Did) != (w.Runs == 0) {
		wrong("it is %s, and names %d runs", w.Did, w.Runs)
	}
	for _, run := range w.Unknown {
		wrong("it names the run %q, which there is not", run)
	}
	for _, run := range w.Behind {
		wrong("the run %s was changed by it, and is of an earlier one", run)
	}
	if w.Last != w.Claimed {
		wrong("%d runs say that it changed them last, and it names %d of them", w.Claimed, w.Last)
	}
}

// verifyStrays names rows of runs that there are not.
func (a *Auditor) verifyStrays(ctx context.Context, report *Report) error {
	strays, err := a.Ledger.Strays(ctx)
	for _, stray := range strays {
		report.add(Defect{
			Check: CheckOrphan, Run: stray.RunID, Row: stray.Table,
			Message: "it belongs to a run that is not there",
		})
	}
	return err
}

// verifyAsked checks what is remembered of the documents that buyers asked for. Rows are not named, since they name a
// buyer and a document.
func (a *Auditor) verifyAsked(ctx context.Context, report *Report) error {
	asked, err := a.Ledger.Asked(ctx, slack)
	if err != nil {
		return err
	}
	if a.Idle {
		asked.Old = 0
	}
	for _, one := range []struct {
		n    int
		what string
	}{
		{asked.Nameless, "have no buyer or no document"},
		{asked.Ahead, "are of a time that is still to come"},
		{asked.Old, "are older than a day, and no server has forgotten them"},
	} {
		if one.n > 0 {
			report.row(CheckAsked, "asked_documents", "%d rows %s", one.n, one.what)
		}
	}
	return nil
}

// verifyRecords checks what is recorded of what admins did to orders.
func (a *Auditor) verifyRecords(ctx context.Context, report *Report) error {
	records, err := a.Ledger.Records(ctx, slack)
	for i := range records {
		r := &records[i]
		d := Defect{Run: r.RunID, Order: r.OrderID, Row: "order_records"}
		if r.OrderVersion == 0 {
			d.Check, d.Message = CheckOrphan, "it is of an order that is not there"
		} else {
			d.Check, d.Message = CheckRecord, fmt.Sprintf(
				"it is of the version %d, of an order that is at %d; made by somebody at %s, when it is %s; "+
					"and says %q", r.Version, r.OrderVersion, at(r.At), at(r.Now), r.What)
		}
		report.add(d)
	}
	return err
}

// verifyKeys names keys that passengers are sealed with and that are not noted. Keys are noted before they seal, and
// their notes are read later than the passengers.
func (a *Auditor) verifyKeys(ctx context.Context, seen *seen, report *Report) error {
	noted, err := a.Ledger.NotedKeys(ctx)
	if err != nil {
		return err
	}
	for key, run := range seen.keys {
		if !slices.Contains(noted, key) {
			report.add(Defect{
				Check: CheckPersonal, Run: run, Row: "personal_keys",
				Message: fmt.Sprintf("passengers are sealed with the key %q, which is not noted", key),
			})
		}
	}
	return nil
}
