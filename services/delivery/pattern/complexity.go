package pattern

import "strings"

// maxWildcards is how many * may be in play at once, as in EventBridge.
const maxWildcards = 10

// activeWildcards tells how many different beginnings of wildcards, each up to a *, one value can have reached at the same time. A *
// that is reached stays so. Hence beginnings exclude each other only by the texts before their first *: where one of two such texts
// begins with the other, a value can go on to reach every * behind both.
func activeWildcards(values []predicate) int {
	reached := map[string]string{} // texts before the first *, by beginning
	var collect func(list []predicate)
	collect = func(list []predicate) {
		for _, p := range list {
			switch p := p.(type) {
			case anythingBut:
				collect(p.not)
			case wildcard:
				for i := 1; i < len(p.parts); i++ {
					reached[strings.Join(p.parts[:i], "\x00*")] = p.parts[0]
				}
			}
		}
	}
	collect(values)
	most := 0
	for _, head := range reached {
		n := 0
		for _, other := range reached {
			if strings.HasPrefix(head, other) {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}
