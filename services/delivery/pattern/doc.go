// Package pattern matches events against event patterns with the semantics of EventBridge
// (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html).
//
// It owns the language: [Compile] checks a pattern and says where it is wrong, [Pattern.Match] judges one event, and an [Index]
// judges an event against all rules of a bus at once, at a cost that does not grow with rules whose values do not occur;
// [Pattern.Explain] says why a verdict is as it is. It does not know buses, rules or where an event comes from.
//
// The language is whole: exact values, prefix, suffix, equals-ignore-case, anything-but, numeric, cidr, wildcard, exists and $or;
// nested objects and dotted keys alike; arrays by intersection, arrays of objects with array consistency. Where EventBridge's guide
// leaves a question open, its open engine (https://github.com/aws/event-ruler) decides, except that an absent field is judged last,
// whatever its name. Two operators are ours, and named so: freshet:regexp and freshet:date.
//
// Neighbours: delivery/rawjson reads the event; the delivery service keeps an index per bus.
package pattern
