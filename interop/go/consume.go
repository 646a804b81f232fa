package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sort"
	"strings"
	"sync"
	"time"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
)

func selector(given options) consumer.MessageSelector {
	if given.has("sql") {
		return consumer.MessageSelector{Type: consumer.SQL92, Expression: given.text("sql", "")}
	}
	return consumer.MessageSelector{Type: consumer.TAG, Expression: given.text("tags", "*")}
}

func settings(given options) []consumer.Option {
	from := consumer.ConsumeFromFirstOffset
	if given.text("from", "first") == "last" {
		from = consumer.ConsumeFromLastOffset
	}
	model := consumer.Clustering
	if given.text("model", "clustering") == "broadcasting" {
		model = consumer.BroadCasting
	}
	chosen := []consumer.Option{
		consumer.WithNameServer([]string{given.need("namesrv")}),
		consumer.WithGroupName(given.need("group")),
		consumer.WithInstance(given.text("instance", fmt.Sprintf("consumer-%d", os.Getpid()))),
		consumer.WithConsumeFromWhere(from),
		consumer.WithConsumerModel(model),
		consumer.WithConsumerOrder(given.text("listener", "concurrent") == "orderly"),
	}
	if given.has("max-reconsume") {
		chosen = append(chosen, consumer.WithMaxReconsumeTimes(int32(given.number("max-reconsume", 16))))
	}
	if given.has("suspend-ms") {
		pause := time.Duration(given.number("suspend-ms", 1000)) * time.Millisecond
		chosen = append(chosen, consumer.WithSuspendCurrentQueueTimeMillis(pause))
	}
	return chosen
}

// assignments wraps the usual strategy, to tell of every change of the queues of a topic.
func assignments(topic string) consumer.AllocateStrategy {
	known := "none yet"
	var lock sync.Mutex
	return func(group, client string, all []*primitive.MessageQueue, clients []string) []*primitive.MessageQueue {
		given := consumer.AllocateByAveragely(group, client, all, clients)
		if len(all) == 0 || all[0].Topic != topic {
			return given
		}
		var names []string
		for _, queue := range given {
			names = append(names, fmt.Sprintf("%s:%d", queue.BrokerName, queue.QueueId))
		}
		sort.Strings(names)
		lock.Lock()
		defer lock.Unlock()
		if now := strings.Join(names, ","); now != known {
			known = now
			emit("assigned", fields{"count": len(names), "queues": now})
		}
		return given
	}
}

func consume(given options, stop <-chan struct{}) {
	topic := given.need("topic")
	client, err := rocketmq.NewPushConsumer(append(settings(given), consumer.WithStrategy(assignments(topic)))...)
	if err != nil {
		fail(err)
	}
	failTimes := given.number("fail-times", 0)
	expected := given.number("expect", -1)
	finished := make(chan struct{})
	var once sync.Once
	var lock sync.Mutex
	deliveries := map[string]int{}
	orderly := given.text("listener", "concurrent") == "orderly"
	err = client.Subscribe(topic, selector(given), func(_ context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		lock.Lock()
		defer lock.Unlock()
		good := true
		for _, message := range messages {
			body := unpadded(message.Body)
			accepted := deliveries[body] >= failTimes
			deliveries[body]++
			good = good && accepted
			report(message, accepted)
		}
		if good {
			expected -= len(messages)
			if expected == 0 {
				// The answer must leave first, or its progress would not be kept.
				time.AfterFunc(200*time.Millisecond, func() { once.Do(func() { close(finished) }) })
			}
			return consumer.ConsumeSuccess, nil
		}
		if orderly {
			return consumer.SuspendCurrentQueueAMoment, nil
		}
		return consumer.ConsumeRetryLater, nil
	})
	if err != nil {
		fail(err)
	}
	if err := client.Start(); err != nil {
		fail(err)
	}
	emit("ready", nil)
	select {
	case <-stop:
	case <-finished:
	}
	client.Shutdown()
}

func report(message *primitive.MessageExt, accepted bool) {
	members := fields{
		"body": unpadded(message.Body), "size": len(message.Body), "queueOffset": message.QueueOffset,
		"reconsumeTimes": message.ReconsumeTimes, "msgId": message.MsgId, "topic": message.Topic, "accepted": accepted,
		"tags": message.GetTags(), "keys": message.GetKeys(), "properties": fmt.Sprint(message.GetProperties()),
	}
	if message.Queue != nil {
		members["queueId"] = message.Queue.QueueId
		members["broker"] = message.Queue.BrokerName
	}
	emit("message", members)
}

func pull(given options, stop <-chan struct{}) {
	topic := given.need("topic")
	client, err := rocketmq.NewPullConsumer(settings(given)...)
	if err != nil {
		fail(err)
	}
	if err := client.Subscribe(topic, selector(given)); err != nil {
		fail(err)
	}
	if err := client.Start(); err != nil {
		fail(err)
	}
	emit("ready", nil)
	queues := map[primitive.MessageQueue]bool{}
	for left := given.number("expect", -1); left != 0; {
		select {
		case <-stop:
			left = 0
			continue
		default:
		}
		request, err := client.Poll(context.Background(), 500*time.Millisecond)
		if consumer.IsNoNewMsgError(err) {
			continue
		}
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			fail(err)
		}
		for _, message := range request.GetMsgList() {
			left--
			report(message, true)
		}
		queues[*request.GetMQ()] = true
		client.ACK(context.Background(), request, consumer.ConsumeSuccess)
	}
	if err := client.PersistOffset(context.Background(), topic); err != nil {
		fail(err)
	}
	for queue := range queues {
		offset, err := client.CurrentOffset(&queue)
		if err != nil {
			fail(err)
		}
		emit("committed", fields{"topic": topic, "broker": queue.BrokerName, "queueId": queue.QueueId, "offset": offset})
	}
	client.Shutdown()
}
