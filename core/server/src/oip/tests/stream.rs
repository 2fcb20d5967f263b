use std::sync::Arc;
use std::time::Duration;

use sternpost_wire::inference::infer_parameter::ParameterChoice;
use tokio_stream::StreamExt;
use tonic::{Code, Status};

use super::super::infer::Context;
use super::super::service::Options;
use super::super::stream::replies;
use super::service::client;
use super::{Counting, parameter, request, world};

#[tokio::test]
async fn a_failure_is_one_item_and_the_stream_goes_on() {
    let world = world("binary", Counting::default(), Options::default());
    let mut requests: Vec<_> =
        (0..40).map(|place| sternpost_wire::inference::ModelInferRequest { id: place.to_string(), ..request(1) }).collect();
    requests[3].model_name = "walk".to_owned();
    requests[5].inputs.pop();
    requests[7].parameters.insert("triton_enable_empty_final_response".to_owned(), parameter(ParameterChoice::BoolParam(true)));
    let mut replies = client(&world).model_stream_infer(tokio_stream::iter(requests)).await.unwrap().into_inner();
    for place in 0..40 {
        let reply = replies.next().await.unwrap().unwrap();
        let response = reply.infer_response.unwrap();
        assert_eq!(response.id, place.to_string());
        match place {
            3 => assert!(reply.error_message.starts_with("Request for unknown model: 'walk'")),
            5 => assert!(reply.error_message.contains("7 entries of raw_input_contents")),
            _ => assert_eq!((reply.error_message.as_str(), response.outputs.len()), ("", 3)),
        }
        assert_eq!(response.parameters.contains_key("triton_final_response"), place == 7);
    }
    assert!(replies.next().await.is_none());
}

#[tokio::test]
async fn so_many_are_worked_on_and_no_more() {
    let scoring = Counting { delay: Some(Duration::from_millis(50)), ..Counting::default() };
    let world = world("binary", scoring, Options { stream_in_flight: 4, ..Options::default() });
    let requests = tokio_stream::iter((0..30).map(|_| Ok::<_, Status>(request(1))));
    let mut replies = replies(world.inference.parts(), requests, None);
    // Nobody reads: as many run as there is room for replies.
    tokio::time::sleep(Duration::from_millis(120)).await;
    let waiting = world.scoring.calls.lock().unwrap().len();
    assert!(waiting <= 4, "{waiting}");
    let mut count = 0;
    while let Some(reply) = replies.next().await {
        assert_eq!(reply.unwrap().error_message, "");
        count += 1;
        assert!(world.scoring.calls.lock().unwrap().len() <= count + 4);
    }
    assert_eq!(count, 30);
}

#[tokio::test]
async fn what_runs_for_a_client_that_left_is_dropped() {
    let scoring = Counting { delay: Some(Duration::from_secs(3600)), ..Counting::default() };
    let world = world("binary", scoring, Options::default());
    let before = Arc::strong_count(&world.inference.parts());
    let requests = tokio_stream::iter((0..5).map(|_| Ok::<_, Status>(request(1))));
    let replies = replies(world.inference.parts(), requests, None);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(Arc::strong_count(&world.inference.parts()) > before);
    drop(replies);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(Arc::strong_count(&world.inference.parts()), before);
}

#[tokio::test]
async fn a_broken_stream_ends_with_its_status_after_what_came_before() {
    let world = world("binary", Counting::default(), Options::default());
    let requests = [Ok(request(1)), Err(Status::internal("torn")), Ok(request(1))];
    let mut replies = replies(world.inference.parts(), tokio_stream::iter(requests), None);
    assert_eq!(replies.next().await.unwrap().unwrap().error_message, "");
    assert_eq!(replies.next().await.unwrap().unwrap_err().code(), Code::Internal);
    assert!(replies.next().await.is_none());
}

#[tokio::test]
async fn a_stream_s_deadline_is_that_of_every_item() {
    let world = world("binary", Counting::default(), Options::default());
    let context = Context { arrived: std::time::Instant::now(), deadline: Some(std::time::Instant::now()) };
    let requests = tokio_stream::iter([Ok::<_, Status>(request(1))]);
    let mut replies = replies(world.inference.parts(), requests, context.deadline);
    assert!(replies.next().await.unwrap().unwrap().error_message.contains("time limit"));
}
