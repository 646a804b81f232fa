package org.ferromq.interop.golden;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.apache.rocketmq.client.consumer.AllocateMessageQueueStrategy;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueAveragely;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueAveragelyByCircle;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueByMachineRoom;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueConsistentHash;
import org.apache.rocketmq.common.message.MessageQueue;

/** Who gets which queue: queues by their position in the sorted list, for each client of the sorted list. */
final class Allocation {
    private Allocation() {
    }

    static Fixture record() {
        Fixture fixture = new Fixture("allocation");
        for (int queues : new int[] {1, 2, 3, 4, 5, 7, 8, 16, 17, 40}) {
            for (int clients : new int[] {1, 2, 3, 4, 5, 8, 9}) {
                for (int brokers : new int[] {1, 2, 3}) {
                    if (queues % brokers == 0) {
                        plain(fixture, queues, clients, brokers);
                    }
                }
            }
        }
        return fixture;
    }

    private static void plain(Fixture fixture, int queues, int clients, int brokers) {
        List<MessageQueue> list = queues("broker-", queues, brokers);
        List<String> ids = new ArrayList<>();
        for (int i = 0; i < clients; i++) {
            ids.add("10.0.0." + (i + 1) + "@" + (4000 + i * 17));
        }
        ids.sort(null);
        run(fixture, new AllocateMessageQueueAveragely(), list, ids);
        run(fixture, new AllocateMessageQueueAveragelyByCircle(), list, ids);
        run(fixture, new AllocateMessageQueueConsistentHash(), list, ids);
        AllocateMessageQueueByMachineRoom rooms = new AllocateMessageQueueByMachineRoom();
        TreeSet<String> wanted = new TreeSet<>();
        wanted.add("room1");
        wanted.add("room2");
        rooms.setConsumeridcs(wanted);
        List<MessageQueue> inRooms = new ArrayList<>();
        for (int room = 1; room <= 3; room++) {
            inRooms.addAll(queues("room" + room + "@broker-", queues, brokers));
        }
        inRooms.sort(null);
        run(fixture, rooms, inRooms, ids);
    }

    private static List<MessageQueue> queues(String prefix, int queues, int brokers) {
        List<MessageQueue> list = new ArrayList<>();
        for (int i = 0; i < queues; i++) {
            list.add(new MessageQueue("TopicTest", prefix + (char) ('a' + i % brokers), i / brokers));
        }
        list.sort(null);
        return list;
    }

    private static void run(Fixture fixture, AllocateMessageQueueStrategy strategy, List<MessageQueue> queues, List<String> clients) {
        List<Object> names = new ArrayList<>();
        for (MessageQueue queue : queues) {
            names.add(queue.getBrokerName() + ":" + queue.getQueueId());
        }
        Map<String, Object> result = new LinkedHashMap<>();
        for (String client : clients) {
            List<Object> positions = new ArrayList<>();
            for (MessageQueue queue : strategy.allocate("group", client, queues, clients)) {
                positions.add(queues.indexOf(queue));
            }
            result.put(client, positions);
        }
        fixture.add(strategy.getName()).with("topic", "TopicTest").with("group", "group").with("queues", names).with("result", result);
    }
}
