package publish_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/publish"
	"interlock/services/rail"
)

// refusals are everything an error says, as CODE path message.
func refusals(t *testing.T, err error) []string {
	t.Helper()
	var all rail.Errors
	if !errors.As(err, &all) {
		var one *rail.Error
		require.ErrorAs(t, err, &one)
		all = rail.Errors{one}
	}
	var said []string
	for _, each := range all {
		said = append(said, string(each.Code)+" "+strings.Join(each.Path, ".")+" "+each.Message)
	}
	return said
}

// hasRefusal finds a code and path among what an error says.
func hasRefusal(t *testing.T, err error, want string) {
	t.Helper()
	said := refusals(t, err)
	require.True(t, slices.ContainsFunc(said, func(s string) bool {
		return strings.HasPrefix(s, want)
	}), "%s is not in\n%s", want, strings.Join(said, "\n"))
}

func TestPublishStation_CanBeCalledAtAtOnce(t *testing.T) {
	h := newHouse(t)
	station, ok := h.timetable.Station("BJP")
	require.True(t, ok)
	require.Equal(t, "北京", station.Name)
	require.Equal(t, 3, h.availability.announced)
	require.Equal(t, "tester", h.ledger.by[0])
}

// A name that is typed in another way is the same name, and so are a train's numbers and labels.
func TestPublish_NamesAndLabelsAreNormalised(t *testing.T) {
	h := newHouse(t)
	station, err := h.PublishStation(t.Context(), rail.Station{
		Code: "ZUE", Name: "Zu\u0308rich\u00a0HB ", Names: map[string]string{"ja": "チューリッヒ\u3000中央"},
		TimeZone: "Europe/Zurich",
	}, "tester")
	require.NoError(t, err)
	require.Equal(t, "Zürich HB", station.Name)
	require.Equal(t, map[string]string{"ja": "チューリッヒ 中央"}, station.Names)

	_, err = h.PublishTrain(t.Context(), t12(), "tester")
	require.NoError(t, err)
	again := t12()
	again.Number = "Ｔ１２\u3000"
	again.Coaches[0].Number, again.Coaches[0].Seats[0].Label = "３", "１Ａ"
	again.Kind = "T\u00a0"
	result, err := h.PublishTrain(t.Context(), again, "tester")
	require.NoError(t, err)
	require.Equal(t, 7, result.Unchanged)
	require.Equal(t, "３", again.Coaches[0].Number, "what was given is not written to")

	run, err := h.Suspend(t.Context(), "T12@2026-03-03", "Schnee\u3000im Gebu\u0308sch\n", "tester")
	require.NoError(t, err)
	require.Equal(t, "Schnee im Gebüsch", run.Reason)
}

// The same is published again perhaps because the first answer was lost. Then the first telling may be lost, too.
func TestPublishStation_TheSameAgainIsToldAgain(t *testing.T) {
	h := newHouse(t)
	h.ledger.lost = true
	station := rail.Station{Code: "VNP", Name: "北京南", TimeZone: "Asia/Shanghai"}
	_, err := h.PublishStation(t.Context(), station, "tester")
	requireUnsure(t, err)
	require.Equal(t, 3, h.availability.announced)
	h.ledger.lost = false
	number := h.ledger.number
	_, err = h.PublishStation(t.Context(), station, "tester")
	require.NoError(t, err)
	require.Equal(t, number, h.ledger.number)
	require.Equal(t, 4, h.availability.announced)
	_, ok := h.timetable.Station("VNP")
	require.True(t, ok)
}

// requireUnsure requires an error that says: it may have been done, repeat it.
func requireUnsure(t *testing.T, err error) {
	t.Helper()
	var e *rail.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, rail.Unavailable, e.Code)
	require.Contains(t, e.Message, "repeat it")
	require.NotContains(t, e.Message, "key", "there is none to ask again with")
	require.Positive(t, e.RetryAfter)
	require.ErrorIs(t, err, ledger.ErrInDoubt, "the log has the cause")
}

func TestPublishTrain_AnswerLost(t *testing.T) {
	h := newHouse(t)
	h.ledger.lost = true
	_, err := h.PublishTrain(t.Context(), t12(), "tester")
	requireUnsure(t, err)
	require.Empty(t, h.availability.left)
	h.ledger.lost = false
	h.ledger.runs["T12@2026-03-05"].version++ // a seat was sold meanwhile
	result, err := h.PublishTrain(t.Context(), t12(), "tester")
	require.NoError(t, err)
	require.Equal(t, 7, result.Unchanged)
	require.Len(t, h.availability.left, 6, "what nothing was sold on follows from the train, and is loaded")
	require.NotContains(t, h.availability.left, rail.RunID("T12@2026-03-05"), "repair does this one")
	_, ok := h.timetable.Run("T12@2026-03-03")
	require.True(t, ok)
}

func TestPublishStation_Invalid(t *testing.T) {
	h := newHouse(t)
	writes := h.ledger.writes
	_, err := h.PublishStation(t.Context(), rail.Station{Code: " X", Name: "", TimeZone: "Local"}, "tester")
	hasRefusal(t, err, "INVALID input.code")
	hasRefusal(t, err, "INVALID input.name")
	hasRefusal(t, err, "INVALID input.timeZone")
	require.Equal(t, writes, h.ledger.writes)
}

func TestPublishTrain_OnSale(t *testing.T) {
	h := newHouse(t)
	request := t12()
	request.Weekdays = []time.Weekday{time.Friday, time.Saturday, time.Sunday}
	result, err := h.PublishTrain(t.Context(), request, "tester")
	require.NoError(t, err)
	require.Equal(t, 3, result.Created)
	require.Zero(t, result.Changed+result.Unchanged)
	require.Equal(t, "Asia/Shanghai", result.Train.TimeZone, "the origin's time zone")
	var ids []rail.RunID
	for _, run := range result.Runs {
		ids = append(ids, run.ID)
		require.Equal(t, rail.RunOnSale, run.StateAt(monday))
		require.Equal(t, 5*time.Minute, run.ClosesBefore)
		shown, ok := h.timetable.Run(run.ID)
		require.True(t, ok, "whoever published can search at once")
		require.Equal(t, "23B", shown.Train.Formation.Coaches[0].Seats[22*5+1].Label)
		left := h.availability.left[run.ID]
		require.Equal(t, &rail.Availability{
			RunID: run.ID, TrainID: result.Train.ID, Version: 1, Status: rail.Published,
			Counts: []uint16{18, 125, 18, 125, 18, 125}, // SOFT_SLEEPER, HARD_SEAT for each of the three pairs.
		}, left)
	}
	require.Equal(t, []rail.RunID{"T12@2026-03-06", "T12@2026-03-07", "T12@2026-03-08"}, ids)
	require.Empty(t, h.log.String())
}

func TestPublishTrain_TheSameAgainChangesNothing(t *testing.T) {
	h := newHouse(t)
	_, err := h.PublishTrain(t.Context(), t12(), "tester")
	require.NoError(t, err)
	// A day later, with seats sold, and said a little differently: what says nothing may differ.
	h.now = h.now.Add(20 * time.Hour)
	sold := h.ledger.runs["T12@2026-03-03"]
	sold.orders, sold.version = []*rail.Order{{}}, 2
	clear(h.availability.left)
	again := t12()
	again.Calls[0].ArrivalSeconds, again.Calls[0].NoAlighting = 60, true
	again.Calls[2].DepartureSeconds, again.Calls[2].NoBoarding = 40*3_600, true
	result, err := h.PublishTrain(t.Context(), again, "tester")
	require.NoError(t, err)
	require.Equal(t, 7, result.Unchanged)
	require.Zero(t, result.Created+result.Changed)
	require.Len(t, result.Runs, 7)
	require.EqualValues(t, 2, h.ledger.runs["T12@2026-03-03"].version)
	require.NotContains(t, h.availability.left, rail.RunID("T12@2026-03-03"), "sold seats must not be loaded as free")
}

func TestPublishTrain_AChange(t *testing.T) {
	h := newHouse(t)
	_, err := h.PublishTrain(t.Context(), t12(), "tester")
	require.NoError(t, err)
	longer := t12()
	longer.Calls[2].ArrivalSeconds += 600
	longer.Through++
	result, err := h.PublishTrain(t.Context(), longer, "tester")
	require.NoError(t, err)
	require.Equal(t, 7, result.Changed)
	require.Equal(t, 1, result.Created)
	require.EqualValues(t, 2, h.availability.left["T12@2026-03-03"].Version)
	require.Equal(t, result.Train.ID, h.availability.left["T12@2026-03-03"].TrainID)
}

// Only runs that were made just now are all free; one that was there already may have sold seats.
func TestPublishTrain_MoreDatesLeaveTheOldOnesAlone(t *testing.T) {
	h := newHouse(t)
	_, err := h.PublishTrain(t.Context(), t12(), "tester")
	require.NoError(t, err)
	sold := h.ledger.runs["T12@2026-03-03"]
	sold.orders, sold.version = []*rail.Order{{}}, 2
	clear(h.availability.left)
	longer := t12()
	longer.Through++
	result, err := h.PublishTrain(t.Context(), longer, "tester")
	require.NoError(t, err)
	require.Equal(t, 1, result.Created)
	require.Equal(t, 7, result.Unchanged)
	require.NotContains(t, h.availability.left, rail.RunID("T12@2026-03-03"))
	require.Contains(t, h.availability.left, rail.RunID("T12@2026-03-10"))
}

func TestPublishTrain_AChangeToARunWithOrders(t *testing.T) {
	h := newHouse(t)
	_, err := h.PublishTrain(t.Context(), t12(), "tester")
	require.NoError(t, err)
	h.ledger.runs["T12@2026-03-05"].orders = []*rail.Order{{}}
	loads, number := h.availability.loads, h.ledger.number
	request := t12()
	request.Calls[2].ArrivalSeconds += 600
	for _, request.ValidateOnly = range []bool{true, false} {
		_, err = h.PublishTrain(t.Context(), request, "tester")
		require.Equal(t, rail.RunHasOrders, rail.CodeOf(err))
		require.ErrorContains(t, err, "T12 on 2026-03-05")
	}
	require.Equal(t, number, h.ledger.number)
	require.Equal(t, loads, h.availability.loads)
}

func TestPublishTrain_ValidateOnly(t *testing.T) {
	h := newHouse(t)
	request := t12()
	request.ValidateOnly = true
	writes, announced := h.ledger.writes, h.availability.announced
	result, err := h.PublishTrain(t.Context(), request, "tester")
	require.NoError(t, err)
	require.Equal(t, 7, result.Created)
	require.Len(t, result.Runs, 7)
	require.Equal(t, writes, h.ledger.writes)
	require.Equal(t, announced, h.availability.announced)
	require.Empty(t, h.availability.left)
	require.Empty(t, h.ledger.runs)
}

func TestPublishTrain_BadInput(t *testing.T) {
	days := func(n int) *int { return &n }
	for name, c := range map[string]struct {
		spoil func(*publish.TrainRequest)
		want  []string
	}{
		"no number": {func(r *publish.TrainRequest) { r.Number = "" }, []string{"INVALID input.number"}},
		"no calls":  {func(r *publish.TrainRequest) { r.Calls = nil }, []string{"INVALID input.calls"}},
		"one call": {func(r *publish.TrainRequest) {
			r.Calls = r.Calls[:1]
		}, []string{"INVALID input.calls"}},
		"an endless train": {func(r *publish.TrainRequest) {
			r.Calls = make([]rail.Call, 100_000)
		}, []string{"INVALID input.calls"}},
		"unknown stations": {func(r *publish.TrainRequest) {
			r.Calls[0].Station, r.Calls[1].Station = "XXX", "YYY"
		}, []string{"INVALID input.calls.0.station", "INVALID input.calls.1.station"}},
		"no station": {func(r *publish.TrainRequest) {
			r.Calls[1].Station = ""
		}, []string{"INVALID input.calls.1.station"}},
		"back in time": {func(r *publish.TrainRequest) {
			r.Calls[1].ArrivalSeconds = 3_600
		}, []string{"INVALID input.calls.1.arrival"}},
		"back on the line": {func(r *publish.TrainRequest) {
			r.Calls[2].Metres = 1
		}, []string{"INVALID input.calls.2.distanceKm"}},
		"no coaches": {func(r *publish.TrainRequest) { r.Coaches = nil }, []string{"INVALID input.coaches"}},
		"a coach twice": {func(r *publish.TrainRequest) {
			r.Coaches[1].Number = "3"
		}, []string{"INVALID input.coaches.1.number"}},
		"a class without fare": {func(r *publish.TrainRequest) {
			r.Fares.PerKm = r.Fares.PerKm[:1]
		}, []string{"INVALID input.fares"}},
		"no currency": {func(r *publish.TrainRequest) {
			r.Fares.Currency = "yuan"
		}, []string{"INVALID input.fares.currencyCode"}},
		"past": {func(r *publish.TrainRequest) {
			r.From = rail.NewDate(2026, 3, 1)
		}, []string{"INVALID input.from"}},
		"through before from": {func(r *publish.TrainRequest) {
			r.Through = r.From - 1
		}, []string{"INVALID input.through"}},
		"four hundred and one": {func(r *publish.TrainRequest) {
			r.Through = r.From + publish.MaxDates
		}, []string{"INVALID input.through"}},
		"until the end of time": {func(r *publish.TrainRequest) {
			r.Through = rail.NewDate(9999, 12, 31)
		}, []string{"INVALID input.through"}},
		"eight days a week": {func(r *publish.TrainRequest) {
			r.Weekdays = make([]time.Weekday, 8)
		}, []string{"INVALID input.weekdays"}},
		"coaches by the dozen": {func(r *publish.TrainRequest) {
			r.Coaches = make([]rail.Coach, 100_000)
		}, []string{"INVALID input.coaches"}},
		"no such weekday": {func(r *publish.TrainRequest) {
			r.Weekdays = []time.Weekday{7}
		}, []string{"INVALID input.weekdays.0"}},
		"no date of a weekday": {func(r *publish.TrainRequest) {
			r.Through, r.Weekdays = r.From, []time.Weekday{time.Monday}
		}, []string{"INVALID input.weekdays"}},
		"opens twice": {func(r *publish.TrainRequest) {
			r.SaleOpens = publish.SaleOpens{At: monday, DaysBefore: days(1)}
		}, []string{"INVALID input.saleOpens"}},
		"opens after": {func(r *publish.TrainRequest) {
			r.SaleOpens.DaysBefore = days(-1)
		}, []string{"INVALID input.saleOpens.daysBefore.days"}},
		"opens long before": {func(r *publish.TrainRequest) {
			r.SaleOpens.DaysBefore = days(367)
		}, []string{"INVALID input.saleOpens.daysBefore.days"}},
		"an opening past its day": {func(r *publish.TrainRequest) {
			r.SaleOpens = publish.SaleOpens{DaysBefore: days(1), Clock: 24 * 3_600}
		}, []string{"INVALID input.saleOpens.daysBefore.at"}},
		"opens in the far past": {func(r *publish.TrainRequest) {
			r.SaleOpens.At = time.Date(1969, 12, 31, 0, 0, 0, 0, time.UTC)
		}, []string{"INVALID input.saleOpens.at"}},
		"everything at once": {func(r *publish.TrainRequest) {
			r.Number, r.Calls[0].Station, r.Coaches, r.From = "", "XXX", nil, 0
		}, []string{
			"INVALID input.number", "INVALID input.calls.0.station", "INVALID input.coaches",
			"INVALID input.from",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			writes := h.ledger.writes
			request := t12()
			c.spoil(&request)
			_, err := h.PublishTrain(t.Context(), request, "tester")
			for _, want := range c.want {
				hasRefusal(t, err, want+" ")
			}
			require.Len(t, refusals(t, err), len(c.want))
			require.Equal(t, writes, h.ledger.writes)
			require.Zero(t, h.ledger.rehearsals)
			require.Empty(t, h.ledger.runs)
		})
	}
}

func TestPublishTrain_FourHundredDates(t *testing.T) {
	h := newHouse(t)
	request := t12()
	request.Through = request.From + publish.MaxDates - 1
	result, err := h.PublishTrain(t.Context(), request, "tester")
	require.NoError(t, err)
	require.Equal(t, publish.MaxDates, result.Created)
	require.Len(t, h.availability.left, publish.MaxDates)
}

func TestPublishTrain_TodayIsTheOriginsDate(t *testing.T) {
	h := newHouse(t)
	h.now = time.Date(2026, 3, 2, 15, 59, 0, 0, time.UTC) // 23:59 in Beijing.
	request := t12()
	request.From = rail.NewDate(2026, 3, 2)
	_, err := h.PublishTrain(t.Context(), request, "tester")
	require.NoError(t, err)
	h.now = h.now.Add(time.Minute)
	_, err = h.PublishTrain(t.Context(), request, "tester")
	hasRefusal(t, err, "INVALID input.from 2026-03-02 is past")
}

// nightTrain leaves Berlin at a time of the night, daily from the Saturday before clocks are put back through the
// Monday after.
func nightTrain(h *house, t *testing.T, departure int32) publish.TrainRequest {
	t.Helper()
	for _, station := range []rail.Station{
		{Code: "BLN", Name: "Berlin", TimeZone: "Europe/Berlin"},
		{Code: "LON", Name: "London", TimeZone: "Europe/London"},
	} {
		_, err := h.PublishStation(t.Context(), station, "tester")
		require.NoError(t, err)
	}
	request := t12()
	request.Calls = []rail.Call{
		{Station: "BLN", DepartureSeconds: departure}, {Station: "LON", ArrivalSeconds: 10 * 3_600, Metres: 1_100_000},
	}
	request.From, request.Through = rail.NewDate(2026, 10, 24), rail.NewDate(2026, 10, 26)
	return request
}

func TestPublishTrain_TimesAreWhatClocksShow(t *testing.T) {
	h := newHouse(t)
	result, err := h.PublishTrain(t.Context(), nightTrain(h, t, 1_800), "tester")
	require.NoError(t, err)
	var shown []string
	for _, run := range result.Runs {
		shown = append(shown, run.Departure(0).Format(time.RFC3339)+" "+run.Arrival(1).Format(time.RFC3339))
	}
	require.Equal(t, []string{
		"2026-10-24T00:30:00+02:00 2026-10-24T10:00:00+01:00",
		"2026-10-25T00:30:00+02:00 2026-10-25T10:00:00Z",
		"2026-10-26T00:30:00+01:00 2026-10-26T10:00:00Z",
	}, shown)
}

func TestPublishTrain_ATimeThatIsShownTwiceIsRefusedByName(t *testing.T) {
	h := newHouse(t)
	request := nightTrain(h, t, 2*3_600+1_800)
	_, err := h.PublishTrain(t.Context(), request, "tester")
	require.Equal(t, []string{
		"INVALID input.calls.0.departure the run of 2026-10-25: at BLN the clock (Europe/Berlin) is put back and " +
			"shows 02:30 twice",
	}, refusals(t, err))
	require.Empty(t, h.ledger.runs, "all dates or none")
	request.Weekdays = []time.Weekday{time.Saturday, time.Monday}
	result, err := h.PublishTrain(t.Context(), request, "tester")
	require.NoError(t, err)
	require.Equal(t, 2, result.Created)
}

// A train of many calls that goes back in time on every date: a few of them are named.
func TestPublishTrain_NotEveryWrongDateIsNamed(t *testing.T) {
	h := newHouse(t)
	request := nightTrain(h, t, 10*3_600)
	request.Calls[0].Station, request.Calls[1].Station = "LON", "BLN"
	request.Calls[1].ArrivalSeconds = 10*3_600 + 1_800
	request.Through = request.From + publish.MaxDates - 1
	_, err := h.PublishTrain(t.Context(), request, "tester")
	require.Len(t, refusals(t, err), 20)
}

func TestPublishTrain_StationPublishedElsewhereAMomentAgo(t *testing.T) {
	h := newHouse(t)
	h.ledger.stations["SNH"] = &rail.Station{Code: "SNH", Name: "上海南", TimeZone: "Asia/Shanghai"}
	_, known := h.timetable.Station("SNH")
	require.False(t, known)
	request := t12()
	request.Calls[2].Station = "SNH"
	_, err := h.PublishTrain(t.Context(), request, "tester")
	require.NoError(t, err)
}

func TestPublishTrain_SaleOpens(t *testing.T) {
	fifteen := 15
	for name, c := range map[string]struct {
		opens publish.SaleOpens
		want  time.Time
		state rail.RunState
	}{
		"at once": {publish.SaleOpens{}, time.Unix(0, 0), rail.RunOnSale},
		"at":      {publish.SaleOpens{At: monday.Add(time.Hour + 1)}, monday.Add(time.Hour), rail.RunNotOpen},
		"days before": {
			publish.SaleOpens{DaysBefore: &fifteen},
			time.Date(2026, 3, 4, 16, 0, 0, 0, time.UTC),
			rail.RunNotOpen,
		},
		"days before, at an hour": {
			publish.SaleOpens{DaysBefore: &fifteen, Clock: 8 * 3_600},
			time.Date(2026, 3, 5, 0, 0, 0, 0, time.UTC),
			rail.RunNotOpen,
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			request := t12()
			request.From, request.Through, request.SaleOpens = rail.NewDate(2026, 3, 20), rail.NewDate(2026, 3, 20),
				c.opens
			result, err := h.PublishTrain(t.Context(), request, "tester")
			require.NoError(t, err)
			require.Equal(t, c.want.UTC(), result.Runs[0].SaleOpensAt)
			require.Equal(t, c.state, result.Runs[0].StateAt(monday))
		})
	}
}

func TestPublishTrain_CacheDownIsLoggedAndNotAnswered(t *testing.T) {
	h := newHouse(t)
	h.availability.failLoad = errors.New("connection refused")
	announced := h.availability.announced
	result, err := h.PublishTrain(t.Context(), t12(), "tester")
	require.NoError(t, err)
	require.Equal(t, 7, result.Created)
	require.Contains(t, h.log.String(), "connection refused")
	require.Equal(t, announced, h.availability.announced, "who cannot be reached is not asked again")
	_, ok := h.timetable.Run("T12@2026-03-03")
	require.True(t, ok)
}

func TestPublishTrain_TimetableDownIsLoggedAndNotAnswered(t *testing.T) {
	h := newHouse(t)
	h.timetable.fail = errors.New("primary is gone")
	_, err := h.PublishTrain(t.Context(), t12(), "tester")
	require.NoError(t, err)
	require.Contains(t, h.log.String(), "primary is gone")
	require.Len(t, h.availability.left, 7)
}

func TestPublishTrain_HangingCacheIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.availability.hang = true
		start := time.Now()
		_, err := h.PublishTrain(t.Context(), t12(), "tester")
		require.NoError(t, err)
		require.LessOrEqual(t, time.Since(start), 5*time.Second)
	})
}

// The ledger has committed; that the caller is gone must not keep it from being told.
func TestPublishTrain_CallerGoneAfterTheCommit(t *testing.T) {
	h := newHouse(t)
	ctx, cancel := context.WithCancel(t.Context())
	h.Ledger = committed{h.ledger, cancel}
	_, err := h.PublishTrain(ctx, t12(), "tester")
	require.NoError(t, err)
	require.Len(t, h.availability.left, 7)
	_, ok := h.timetable.Run("T12@2026-03-03")
	require.True(t, ok)
}

// committed is a ledger whose callers are gone once it has committed.
type committed struct {
	*fakeLedger
	gone func()
}

func (l committed) Publish(
	ctx context.Context, runs []*rail.Run, by string, validateOnly bool,
) ([]ledger.Publication, error) {
	defer l.gone()
	return l.fakeLedger.Publish(ctx, runs, by, validateOnly)
}

func TestPublishTrain_LedgerErrorsGoUpUnchanged(t *testing.T) {
	h := newHouse(t)
	h.ledger.failWith = errors.New("disk full")
	_, err := h.PublishTrain(t.Context(), t12(), "tester")
	require.Equal(t, h.ledger.failWith, err)
	require.Empty(t, h.availability.left)
}

func TestSuspendResumeWithdraw(t *testing.T) {
	const id = rail.RunID("T12@2026-03-03")
	h := newHouse(t)
	_, err := h.PublishTrain(t.Context(), t12(), "tester")
	require.NoError(t, err)

	run, err := h.Suspend(t.Context(), id, "a bridge is closed", "first")
	require.NoError(t, err)
	require.Equal(t, rail.Suspended, run.Status)
	require.Equal(t, "a bridge is closed", run.Reason)
	require.Equal(t, rail.Suspended, h.availability.left[id].Status)
	require.EqualValues(t, 2, h.availability.left[id].Version)
	require.Equal(t, "first", h.ledger.by[len(h.ledger.by)-1])

	run, err = h.Resume(t.Context(), id, "it is open again", "second")
	require.NoError(t, err)
	require.Equal(t, rail.Published, run.Status)
	require.Empty(t, run.Reason)
	require.Equal(t, rail.Published, h.availability.left[id].Status)

	paidOrder := &rail.Order{ID: "a", RunID: id, Number: "paid", Version: 3, PaidAt: monday}
	h.ledger.runs[id].orders = []*rail.Order{{ID: "b", RunID: id, Number: "hold", Version: 2}, paidOrder}
	announced := h.availability.announced
	_, _, err = h.Withdraw(t.Context(), id, "no locomotive", "third", false)
	hasRefusal(t, err, "RUN_HAS_ORDERS input.runId")
	require.Equal(t, announced, h.availability.announced)

	run, paid, err := h.Withdraw(t.Context(), id, "no locomotive", "third", true)
	require.NoError(t, err)
	require.Equal(t, rail.Withdrawn, run.Status)
	require.Equal(t, []*rail.Order{paidOrder}, paid)
	require.Equal(t, rail.Withdrawn, h.availability.left[id].Status)
	require.Equal(t, []rail.Change{{RunID: id, OrderID: "b", Version: 2}, {RunID: id, OrderID: "a", Version: 3}},
		h.availability.orders,
		"who watches an order hears of its end")

	_, err = h.Resume(t.Context(), id, "never mind", "third")
	hasRefusal(t, err, "WRONG_STATE input.runId")

	result, err := h.PublishTrain(t.Context(), t12(), "tester")
	require.NoError(t, err)
	require.Equal(t, 1, result.Changed)
	require.Equal(t, 6, result.Unchanged)
	require.EqualValues(t, 5, h.availability.left[id].Version, "a version never restarts")
}

func TestSuspendWithdraw_AnswerLost(t *testing.T) {
	const id = rail.RunID("T12@2026-03-03")
	h := newHouse(t)
	_, err := h.PublishTrain(t.Context(), t12(), "tester")
	require.NoError(t, err)
	paidOrder := &rail.Order{ID: "a", RunID: id, Version: 3, PaidAt: monday}
	h.ledger.runs[id].orders = []*rail.Order{paidOrder}

	h.ledger.lost = true
	_, err = h.Suspend(t.Context(), id, "a bridge is closed", "tester")
	requireUnsure(t, err)
	require.Equal(t, rail.Published, h.availability.left[id].Status)
	h.ledger.lost = false
	run, err := h.Suspend(t.Context(), id, "a bridge is closed", "tester")
	require.NoError(t, err)
	require.Equal(t, rail.Suspended, run.Status)
	require.Equal(t, rail.Suspended, h.availability.left[id].Status, "who missed it the first time is told now")

	h.ledger.lost = true
	_, _, err = h.Withdraw(t.Context(), id, "no locomotive", "tester", true)
	requireUnsure(t, err)
	require.Empty(t, h.availability.orders)
	h.ledger.lost = false
	run, paid, err := h.Withdraw(t.Context(), id, "no locomotive", "tester", true)
	require.NoError(t, err)
	require.Equal(t, rail.Withdrawn, run.Status)
	require.Equal(t, []*rail.Order{paidOrder}, paid, "who is owed money is not forgotten with the answer")
	require.Equal(t, rail.Withdrawn, h.availability.left[id].Status)
	require.Len(t, h.availability.orders, 1)
}

// A run whose maps are damaged is suspended. The other servers are told that, and no counts are made up.
func TestSuspend_DamagedMap(t *testing.T) {
	const id = rail.RunID("T12@2026-03-03")
	h := newHouse(t)
	_, err := h.PublishTrain(t.Context(), t12(), "tester")
	require.NoError(t, err)
	h.ledger.runs[id].damaged = true
	loads, announced := h.availability.loads, h.availability.announced
	run, err := h.Suspend(t.Context(), id, "damaged", "tester")
	require.NoError(t, err)
	require.Equal(t, rail.Suspended, run.Status)
	require.Equal(t, loads, h.availability.loads)
	require.Equal(t, announced+1, h.availability.announced)
	require.Contains(t, h.log.String(), string(id))
}

func TestWithdraw_HangingCacheIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const id = rail.RunID("T12@2026-03-03")
		h := newHouse(t)
		_, err := h.PublishTrain(t.Context(), t12(), "tester")
		require.NoError(t, err)
		for range 1_000 {
			h.ledger.runs[id].orders = append(h.ledger.runs[id].orders, &rail.Order{RunID: id})
		}
		h.Availability = hangingOrders{h.availability}
		start := time.Now()
		_, _, err = h.Withdraw(t.Context(), id, "no locomotive", "tester", true)
		require.NoError(t, err)
		require.LessOrEqual(t, time.Since(start), 5*time.Second)
		require.Contains(t, h.log.String(), "deadline exceeded")
	})
}

// hangingOrders is an availability that takes everything but changes of orders.
type hangingOrders struct{ *fakeAvailability }

func (hangingOrders) Announce(ctx context.Context, _ rail.Change) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestSuspend_TimetableThatLagsIsPutRight(t *testing.T) {
	const id = rail.RunID("T12@2026-03-03")
	h := newHouse(t)
	_, err := h.PublishTrain(t.Context(), t12(), "tester")
	require.NoError(t, err)
	h.timetable.fail = errors.New("primary is gone")
	run, err := h.Suspend(t.Context(), id, "a bridge is closed", "tester")
	require.NoError(t, err)
	require.Equal(t, rail.Suspended, run.Status)
	require.Equal(t, "a bridge is closed", run.Reason)
	stored, _ := h.timetable.Run(id)
	require.Equal(t, rail.Published, stored.Status, "the copy is everybody's and is not written to")
}

func TestSuspend_BadInput(t *testing.T) {
	for name, c := range map[string]struct{ id, reason, want string }{
		"an unknown run":  {"T12@2026-03-03", "why not", "NOT_FOUND input.runId"},
		"no run id":       {"T12", "why not", "NOT_FOUND input.runId"},
		"no reason":       {"T12@2026-03-03", "", "INVALID input.reason"},
		"nothing but air": {"T12@2026-03-03", "  ", "INVALID input.reason"},
		"writing turned": {
			"T12@2026-03-03", "why \u202enot",
			"INVALID input.reason a reason has 1 to 256 printable characters: character 5 is U+202E",
		},
		"two lines":        {"T12@2026-03-03", "one\ntwo", "INVALID input.reason"},
		"a novel":          {"T12@2026-03-03", strings.Repeat("长", 257), "INVALID input.reason"},
		"no text encoding": {"T12@2026-03-03", "\xff", "INVALID input.reason"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			announced := h.availability.announced
			_, err := h.Suspend(t.Context(), rail.RunID(c.id), c.reason, "tester")
			hasRefusal(t, err, c.want)
			_, err = h.Resume(t.Context(), rail.RunID(c.id), c.reason, "tester")
			hasRefusal(t, err, c.want)
			_, _, err = h.Withdraw(t.Context(), rail.RunID(c.id), c.reason, "tester", true)
			hasRefusal(t, err, c.want)
			require.Equal(t, announced, h.availability.announced)
		})
	}
}

func TestSuspend_LongestReason(t *testing.T) {
	h := newHouse(t)
	_, err := h.PublishTrain(t.Context(), t12(), "tester")
	require.NoError(t, err)
	_, err = h.Suspend(t.Context(), "T12@2026-03-03", strings.Repeat("长", 256), "tester")
	require.NoError(t, err)
}

func TestParseSaleOpens(t *testing.T) {
	opens, err := publish.ParseSaleOpens("now")
	require.NoError(t, err)
	require.Equal(t, publish.SaleOpens{}, opens)
	opens, err = publish.ParseSaleOpens("15-days-before")
	require.NoError(t, err)
	require.Equal(t, 15, *opens.DaysBefore)
	opens, err = publish.ParseSaleOpens("1-day-before")
	require.NoError(t, err)
	require.Equal(t, 1, *opens.DaysBefore)
	opens, err = publish.ParseSaleOpens("15-days-before at 08:30")
	require.NoError(t, err)
	require.Equal(t, 15, *opens.DaysBefore)
	require.EqualValues(t, 8*3_600+30*60, opens.Clock)
	opens, err = publish.ParseSaleOpens("2026-03-02T09:00:00+08:00")
	require.NoError(t, err)
	require.True(t, monday.Equal(opens.At))
	for _, bad := range []string{
		"", "tomorrow", "x-days-before", "-1-days-before", "999-days-before", "2026-03-02",
		"15-days-before at", "15-days-before at 8", "15-days-before at 24:00", "now at 08:00", "15-days-before 08:00",
		"1960-01-01T00:00:00Z",
	} {
		_, err := publish.ParseSaleOpens(bad)
		require.Equal(t, rail.Invalid, rail.CodeOf(err), bad)
	}
}

func TestParseOffset(t *testing.T) {
	for text, want := range map[string]int32{
		"9:05": 32_700, "09:05": 32_700, "00:00:01": 1, "25:10": 90_600,
		"100:00:59": 360_059,
	} {
		got, err := publish.ParseOffset(text)
		require.NoError(t, err)
		require.Equal(t, want, got, text)
	}
	for _, bad := range []string{
		"", "9", "9:5", "09:60", "09:00:60", "-1:00", "1000:00", "09:00:00:00", "09:00Z",
		" 09:00",
	} {
		_, err := publish.ParseOffset(bad)
		require.Equal(t, rail.Invalid, rail.CodeOf(err), bad)
	}
}
