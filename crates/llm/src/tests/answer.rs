//! What the reader of answers makes of whole, broken and foreign chunks.

use super::*;
use genai::chat::{CustomPart, MessageContent, PromptTokensDetails};

struct Dice;

impl Entropy for Dice {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(7);
    }
}

fn read(vendor: Vendor, reason: &str, parts: Vec<ContentPart>) -> Result<Option<Answer>, LlmError> {
    let reader = Reader { vendor, model: "m", price: None, entropy: &Dice, cached_aside: 0 };
    let end = StreamEnd {
        captured_stop_reason: Some(StopReason::from(reason.to_owned())),
        captured_content: Some(MessageContent::from_parts(parts)),
        ..StreamEnd::default()
    };
    reader.read(end, 0)
}

fn call(arguments: Value) -> ContentPart {
    ContentPart::ToolCall(ToolCall {
        call_id: "c".into(),
        fn_name: "t".into(),
        fn_arguments: arguments,
        thought_signatures: None,
    })
}

fn arguments_of(given: Value) -> Result<Value, LlmError> {
    let answer = read(Vendor::Openai, "tool_calls", vec![call(given)])?.unwrap();
    let [Block::ToolCall { arguments, .. }] = &answer.blocks[..] else { panic!("{answer:?}") };
    assert_eq!(answer.stop, Stop::ToolCalls);
    Ok(arguments.clone())
}

#[test]
fn arguments_are_an_object_or_the_answer_is_none() {
    assert_eq!(arguments_of(json!({"a": 1})), Ok(json!({"a": 1})));
    for nothing in [json!(null), json!(""), json!(" ")] {
        assert_eq!(arguments_of(nothing), Ok(json!({})));
    }
    assert_eq!(arguments_of(json!("{\"a\": 1}")), Ok(json!({"a": 1})));
    for nonsense in [json!("{\"a\": "), json!([1]), json!(7), json!("\"text\"")] {
        assert!(matches!(arguments_of(nonsense), Err(LlmError::Malformed { .. })));
    }
}

#[test]
fn a_call_cut_off_by_the_limit_is_not_carried_out() {
    let parts = || vec![ContentPart::Text("so".into()), call(json!("{\"path\": \"a"))];
    let answer = read(Vendor::Anthropic, "max_tokens", parts()).unwrap().unwrap();
    assert_eq!((answer.stop, answer.blocks.len()), (Stop::MaxTokens, 1));
    assert!(read(Vendor::Anthropic, "tool_use", parts()).is_err());
}

#[test]
fn every_reason_to_stop_has_its_meaning() {
    let stop = |reason: &str, parts| read(Vendor::Google, reason, parts).map(|answer| answer.unwrap().stop);
    let text = || vec![ContentPart::Text("t".into())];
    assert_eq!(stop("STOP", text()), Ok(Stop::End));
    assert_eq!(stop("STOP", vec![]), Ok(Stop::End));
    assert_eq!(stop("STOP", vec![call(json!({}))]), Ok(Stop::ToolCalls));
    assert_eq!(stop("SAFETY", text()), Ok(Stop::Declined));
    assert_eq!(stop("refusal", vec![]), Ok(Stop::Declined));
    assert_eq!(stop("pause_turn", text()), Ok(Stop::End));
    for nonsense in ["MALFORMED_FUNCTION_CALL", "tool_use"] {
        assert!(matches!(stop(nonsense, vec![]), Err(LlmError::Malformed { .. })), "{nonsense}");
    }
    let open_end = StreamEnd::default();
    let reader = Reader { vendor: Vendor::Google, model: "m", price: None, entropy: &Dice, cached_aside: 0 };
    assert_eq!(reader.read(open_end, 0), Ok(None));
}

#[test]
fn googles_calls_get_ids_that_stay_apart_and_their_signatures_before_them() {
    let signed = ContentPart::ToolCall(ToolCall {
        call_id: "call#t#0".into(),
        fn_name: "t".into(),
        fn_arguments: json!({}),
        thought_signatures: Some(vec!["s".into()]),
    });
    let parts = vec![ContentPart::ThoughtSignature("s".into()), ContentPart::Text("x".into()), signed];
    let answer = read(Vendor::Google, "STOP", parts).unwrap().unwrap();
    let [Block::Text { .. }, Block::Thinking { signature, .. }, Block::ToolCall { call_id, .. }] =
        &answer.blocks[..]
    else {
        panic!("{answer:?}")
    };
    assert_eq!(signature.as_deref(), Some("google:s"));
    assert_eq!(call_id, &format!("call#t#{}", 0x0707_0707));
}

#[test]
fn several_signed_thoughts_keep_their_order_and_a_redacted_one_its_place() {
    let redacted = json!({"type": "redacted_thinking", "data": "d"});
    let parts = vec![
        ContentPart::ThoughtSignature("1".into()),
        ContentPart::ReasoningContent("one".into()),
        ContentPart::Custom(CustomPart { model_iden: None, data: redacted.clone() }),
        ContentPart::ThoughtSignature("2".into()),
        ContentPart::ReasoningContent("two".into()),
        ContentPart::Text("said".into()),
    ];
    let answer = read(Vendor::Anthropic, "end_turn", parts).unwrap().unwrap();
    let thought =
        |text: &str, signature: String| Block::Thinking { text: text.into(), signature: Some(signature) };
    assert_eq!(
        answer.blocks,
        [
            thought("one", "anthropic:1".into()),
            thought("", seal_redacted(Vendor::Anthropic, &redacted)),
            thought("two", "anthropic:2".into()),
            Block::Text { text: "said".into() },
        ]
    );
}

#[test]
fn cached_tokens_are_never_more_than_the_prompt() {
    let reader =
        Reader { vendor: Vendor::Moonshot, model: "m", price: None, entropy: &Dice, cached_aside: 900 };
    let counted = genai::chat::Usage {
        prompt_tokens: Some(100),
        completion_tokens: Some(-5),
        prompt_tokens_details: Some(PromptTokensDetails {
            cache_creation_tokens: Some(50),
            ..PromptTokensDetails::default()
        }),
        ..genai::chat::Usage::default()
    };
    let usage = reader.usage(Some(counted));
    assert_eq!((usage.input_tokens, usage.cache_read_tokens, usage.cache_write_tokens), (0, 100, 0));
    assert_eq!((usage.output_tokens, usage.cost_micros), (0, 0));
}
