package pattern

import (
	"net/netip"
	"slices"

	"github.com/freshet-io/freshet/services/delivery/rawjson"
)

// lookup leads from a value at one path to the clauses that have a predicate there which may hold. It never leaves one out; that the
// predicate does hold is checked afterwards.
type lookup struct {
	texts     map[string][]clauseID
	literals  map[string][]clauseID
	numbers   map[numeral][]clauseID
	addresses map[netip.Addr][]clauseID
	networks  map[netip.Prefix][]clauseID
	masks     []netip.Prefix // one of each length of networks, of the zero address
	prefixes  trie
	suffixes  trie
	ranges    intervals
	dates     intervals // by whole seconds

	folds        map[string][]clauseID // by the form of appendFold
	foldPrefixes trie
	foldSuffixes trie

	rest []clauseID // for any value
}

func newLookup() *lookup {
	return &lookup{
		texts: map[string][]clauseID{}, literals: map[string][]clauseID{}, numbers: map[numeral][]clauseID{},
		addresses: map[netip.Addr][]clauseID{}, networks: map[netip.Prefix][]clauseID{}, folds: map[string][]clauseID{},
	}
}

func (l *lookup) add(p predicate, id clauseID) {
	switch p := p.(type) {
	case text:
		l.texts[string(p)] = append(l.texts[string(p)], id)
	case literal:
		l.literals[string(p)] = append(l.literals[string(p)], id)
	case number:
		l.numbers[p.numeral] = append(l.numbers[p.numeral], id)
	case address:
		l.addresses[p.Addr] = append(l.addresses[p.Addr], id)
	case network:
		l.addNetwork(netip.Prefix(p), id)
	case prefix:
		l.prefixes.add(string(p), false, id)
	case suffix:
		l.suffixes.add(string(p), true, id)
	case numbers:
		l.ranges.add(p, id)
	case dates:
		l.dates.add(p.outline(), id)
	case wildcard:
		l.addBy(p.handle(), id)
	case expression:
		l.addBy(p.handle(), id)
	default:
		l.addFold(p, id)
	}
}

// addBy adds a clause by the handle of its predicate.
func (l *lookup) addBy(handle any, id clauseID) {
	if p, ok := handle.(predicate); ok {
		l.add(p, id)
		return
	}
	l.rest = append(l.rest, id)
}

func (l *lookup) addFold(p predicate, id clauseID) {
	key, _ := handle(p)
	fold, ok := key.(anyCase)
	if !ok {
		l.rest = append(l.rest, id)
		return
	}
	switch p.(type) {
	case foldPrefix:
		l.foldPrefixes.add(fold.key, false, id)
	case foldSuffix:
		l.foldSuffixes.add(fold.key, true, id)
	default:
		l.folds[fold.key] = append(l.folds[fold.key], id)
	}
}

func (l *lookup) addNetwork(n netip.Prefix, id clauseID) {
	l.networks[n] = append(l.networks[n], id)
	zero := netip.IPv4Unspecified()
	if n.Addr().Is6() {
		zero = netip.IPv6Unspecified()
	}
	if mask := netip.PrefixFrom(zero, n.Bits()); !slices.Contains(l.masks, mask) {
		l.masks = append(l.masks, mask)
	}
}

// candidates appends the clauses, some perhaps more than once.
func (l *lookup) candidates(v *value, to []clauseID) []clauseID {
	to = append(to, l.rest...)
	switch v.kind {
	case rawjson.String:
		return l.ofString(v, to)
	case rawjson.Number:
		if len(l.numbers) > 0 || len(l.ranges.all) > 0 {
			n := v.number()
			to = append(to, l.numbers[n]...)
			if n.exact {
				to = l.ranges.around(n.value, to)
			}
		}
	default:
		to = append(to, l.literals[string(v.text)]...)
	}
	return to
}

func (l *lookup) ofString(v *value, to []clauseID) []clauseID {
	to = append(to, l.texts[string(v.text)]...)
	to = l.prefixes.along(v.text, false, to)
	to = l.suffixes.along(v.text, true, to)
	if len(l.dates.all) > 0 {
		if at, ok := parseInstant(v.text); ok {
			to = l.dates.around(float64(at.seconds), to)
		}
	}
	if len(l.folds) > 0 || !l.foldPrefixes.empty() || !l.foldSuffixes.empty() {
		fold := v.fold()
		to = append(to, l.folds[string(fold)]...)
		to = l.foldPrefixes.along(fold, false, to)
		to = l.foldSuffixes.along(fold, true, to)
	}
	if (len(l.addresses) > 0 || len(l.masks) > 0) && v.ip().IsValid() {
		to = append(to, l.addresses[v.ip()]...)
		for _, mask := range l.masks {
			if mask.Addr().BitLen() != v.ip().BitLen() {
				continue
			}
			if n, err := v.ip().Prefix(mask.Bits()); err == nil {
				to = append(to, l.networks[n]...)
			}
		}
	}
	return to
}
