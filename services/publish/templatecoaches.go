package publish

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"interlock/services/rail"
)

// formation makes the coaches of a kind.
func (p *templateParser) formation(in *kindInFile, here int) (*rail.Formation, error) {
	var coaches []rail.Coach
	var lines []int // Of each coach.
	for i := range in.Coaches {
		spec := &in.Coaches[i]
		line := cmp.Or(spec.Numbers.line, spec.Class.line, here)
		alike, err := p.coaches(spec, line)
		if err != nil {
			return nil, err
		}
		if len(coaches)+len(alike) > rail.MaxCoaches {
			return nil, p.refuse(line, "a train has at most %d coaches", rail.MaxCoaches)
		}
		for _, coach := range alike {
			coaches, lines = append(coaches, coach), append(lines, line)
		}
	}
	formation := rail.NewFormation(coaches)
	if errs := formation.Validate(); len(errs) > 0 {
		return nil, p.refuse(lineAt(errs[0].Path, 0, lines, here), "%s", errs[0].Message)
	}
	return formation, nil
}

// coaches are those of one line of a kind, which share their seats.
func (p *templateParser) coaches(spec *coachInFile, line int) ([]rail.Coach, error) {
	numbers, err := coachNumbers(spec.Numbers.text)
	if err != nil {
		return nil, p.refuse(line, "%v", err)
	}
	class := rail.SeatClass(spec.Class.text)
	if !class.Valid() {
		return nil, p.refuse(cmp.Or(spec.Class.line, line), "%q is not a seat class: they are %v", class,
			rail.SeatClasses)
	}
	seats, err := spec.seats()
	if err != nil {
		return nil, p.refuse(cmp.Or(spec.layoutLine(), line), "%s", message(err))
	}
	if p.seats += len(seats) * len(numbers); p.seats > maxTemplateSeats {
		return nil, p.refuse(line, "the kinds up to here have more than %d seats together", maxTemplateSeats)
	}
	coaches := make([]rail.Coach, len(numbers))
	for i, number := range numbers {
		coaches[i] = rail.Coach{Number: rail.NormalizeLabel(number), SeatClass: class, Seats: seats}
	}
	return coaches, nil
}

// seats lays a coach out.
func (c *coachInFile) seats() ([]rail.Seat, error) {
	switch {
	case c.Rows != nil && c.Berths == nil:
		var without []string
		for _, label := range c.Rows.Without {
			without = append(without, label.text)
		}
		return rail.RowSeats(c.Rows.Letters.text, c.Rows.First, c.Rows.Last, without)
	case c.Berths != nil && c.Rows == nil:
		var tiers []rail.SeatPosition
		for _, tier := range c.Berths.Tiers {
			tiers = append(tiers, rail.SeatPosition(tier.text))
		}
		return rail.BerthSeats(tiers, c.Berths.First, c.Berths.Last)
	}
	return nil, rail.Refuse(rail.Invalid, "a coach has rows or berths")
}

// layoutLine is where the layout is, 0 where it has nothing that knows.
func (c *coachInFile) layoutLine() int {
	switch {
	case c.Rows != nil:
		return c.Rows.Letters.line
	case c.Berths != nil && len(c.Berths.Tiers) > 0:
		return c.Berths.Tiers[0].line
	}
	return 0
}

// coachNumbers are the numbers of coaches that are all alike: "5", or "5-8" for four of them.
func coachNumbers(text string) ([]string, error) {
	if text == "" {
		return nil, errors.New("a coach has no numbers")
	}
	low, high, isRange := strings.Cut(text, "-")
	from, err1 := strconv.Atoi(low)
	to, err2 := strconv.Atoi(high)
	if !isRange || err1 != nil || err2 != nil {
		return []string{text}, nil
	}
	if from < 0 || to < from || to-from >= rail.MaxCoaches {
		return nil, fmt.Errorf("numbers %q are not 1 to %d coaches", text, rail.MaxCoaches)
	}
	var numbers []string
	for n := from; n <= to; n++ {
		numbers = append(numbers, strconv.Itoa(n))
	}
	return numbers, nil
}
